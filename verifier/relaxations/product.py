"""The product of two entries, along the last axis."""

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes


class ProductRelaxation(Relaxation):
    """`x * y - s . (x, y)` is bilinear, so over a box its extremes lie at the four corners: the gap is exact."""

    conditions = "exact where one factor is constant"

    def steepness(self, op: Op) -> float:
        """The lines' own slopes say all: a slope is a value of the other factor, and the product rounds once."""
        return 0.0

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        """Between McCormick's planes, whose slopes are ends of the other factor."""
        low, high = x.lower.flip(-1), x.upper.flip(-1)
        return Slopes(low, low), Slopes(high, high)

    def spread(self, coefficient: Tensor) -> Tensor:
        return coefficient.unsqueeze(-1)

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        (a, b), (first, second) = slope.unbind(-1), zip(x.lower.unbind(-1), x.upper.unbind(-1), strict=True)
        corners = torch.stack([p * q - a * p - b * q for p in first for q in second])
        return corners.amin(0), corners.amax(0)

    def guess(self, op: Op, x: Interval) -> Slopes:
        """All planes between McCormick's two (1976) have the same value at the centre and the same volume. Taken is
        the flattest, which is nowhere below the interval bound, and of several flattest the one in the middle: with
        `p = center + t * radius` for both factors it minimises `|center / radius + t|`, summed over both.
        """
        point = x.lower == x.upper  # exactly so: halves of denormal numbers are rounded
        other = torch.where(point, x.lower, x.center).flip(-1)
        reach = torch.where(point, 0.0, x.radius).flip(-1)
        sign = torch.tensor([-1.0, 1.0], dtype=reach.dtype, device=reach.device)
        lower = other + _tilt(other, reach) * reach
        upper = other + _tilt(other * sign, reach) * reach * sign
        return Slopes(lower.nan_to_num(0.0, 0.0, 0.0), upper.nan_to_num(0.0, 0.0, 0.0))

    def linear(self, op: Op, x: Interval) -> Tensor:
        """Entries of a pair are linear together: when one of them is constant."""
        return (x.lower == x.upper).any(-1, keepdim=True).expand_as(x.lower)


def _tilt(center: Tensor, radius: Tensor) -> Tensor:
    """The number of [-1, 1] nearest to zero that minimises `sum(|center / radius + t|)` over the pair: `(B, *, 1)`."""
    best = (-center / radius).nan_to_num(0.0)  # infinite where a factor is constant
    tilt = torch.clamp(torch.zeros_like(best[..., :1]), best.amin(-1, keepdim=True), best.amax(-1, keepdim=True))
    return torch.where((radius > 0).all(-1, keepdim=True), tilt.clamp(-1, 1), 0.0)
