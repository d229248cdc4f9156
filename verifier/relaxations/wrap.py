"""Integers of fixed width: the identity where a number fits, any number of the type where it may not."""

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import Wrap
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes


class Wrapping(Relaxation):
    """What an engine makes of a number that does not fit is its own affair; the type holds it in any case."""

    conditions = "exact where the type holds the whole interval; else the type's range"
    exact = True

    def steepness(self, op: Op) -> float:
        return 1.0

    def linear(self, op: Op, x: Interval) -> Tensor:
        assert isinstance(op, Wrap)
        return op.fits(x.lower, x.upper)

    def guess(self, op: Op, x: Interval) -> Slopes:
        slope = self.linear(op, x).to(x.lower)
        return Slopes(slope, slope)

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(op, Wrap)
        inside, rest = op.fits(x.lower, x.upper), 1 - slope
        own = [torch.where(rest == 0, 0.0, rest * end) for end in (x.lower, x.upper)]
        moved = [torch.where(slope == 0, 0.0, slope * end) for end in (x.lower, x.upper)]
        least = torch.where(inside, torch.minimum(*own), op.least - torch.maximum(*moved))
        greatest = torch.where(inside, torch.maximum(*own), op.greatest - torch.minimum(*moved))
        return least, greatest
