"""The maximum of several entries, along the last axis."""

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes


class Maximum(Relaxation):
    """`max(x) - s . x` over a box: for every candidate of the maximum the rest is linear, so its greatest is exact; a
    maximum is at least any convex combination, which bounds its least."""

    conditions = "exact where one entry is the greatest throughout"

    def steepness(self, op: Op) -> float:
        return 1.0

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        zero = torch.zeros_like(x.lower)
        return Slopes(zero, zero), Slopes(zero + 1, zero + 1)

    def spread(self, coefficient: Tensor) -> Tensor:
        return coefficient.unsqueeze(-1)

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        weight = slope.clamp(min=0) + 1e-30
        tilt = weight / weight.sum(-1, keepdim=True) - slope
        least = torch.where(tilt > 0, tilt * x.lower, tilt * x.upper).sum(-1)
        least = torch.maximum(least, self._flat(x, slope))
        others = torch.where(slope > 0, -slope * x.lower, -slope * x.upper)
        own = torch.where(slope < 1, (1 - slope) * x.upper, (1 - slope) * x.lower)
        greatest = (others.sum(-1, keepdim=True) - others + own).amax(-1)
        return least, greatest

    @staticmethod
    def _flat(x: Interval, slope: Tensor) -> Tensor:
        """Another lower bound: the greatest lower end, less what the slopes can take away."""
        return x.lower.amax(-1) - torch.maximum(slope * x.lower, slope * x.upper).sum(-1)

    def guess(self, op: Op, x: Interval) -> Slopes:
        """Below: the entry with the greatest lower end. Above: slopes that equalise two rivals, or a level line."""
        eye = torch.nn.functional.one_hot(x.lower.argmax(-1), x.lower.shape[-1]).to(x.lower)
        floor = x.lower.amax(-1, keepdim=True)
        rival = x.upper > floor
        reach = torch.where(rival, x.upper - floor, 0.0)
        ratio = torch.where(rival, reach / (x.upper - x.lower).clamp(min=torch.finfo(reach.dtype).tiny), 0.0)
        share = ratio / ratio.sum(-1, keepdim=True).clamp(min=1.0)
        decided = self.linear(op, x)
        upper = torch.where(decided, eye, share)
        level = torch.zeros_like(upper)
        tight = (upper * x.center).sum(-1) + self.gap(op, x, upper)[1] < self.gap(op, x, level)[1]
        return Slopes(eye, torch.where(tight.unsqueeze(-1) | decided, upper, level))

    def linear(self, op: Op, x: Interval) -> Tensor:
        """Entries of a group are stable together: when one is the greatest throughout."""
        best = x.lower.argmax(-1, keepdim=True)
        rivals = x.upper.scatter(-1, best, -torch.inf).amax(-1, keepdim=True)
        return (x.lower.gather(-1, best) >= rivals).expand_as(x.lower)
