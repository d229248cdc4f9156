"""Sign, Floor, Ceil, Round, Trunc and comparisons with zero: level between jumps. Both sides of a jump count, so ties
need no care."""

import math

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import Ceil, Floor, NonZero, Positive, Round, Sign, Trunc
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes, chord


class Staircase(Relaxation):
    """Between jumps `f(x) - s * x` is linear, so its extremes lie at the interval's ends or beside a jump; and over all
    jumps they lie beside the first or the last one, since from jump to jump it changes by the same amount."""

    conditions = "exact where the interval holds no jump"
    exact = True

    def steepness(self, op: Op) -> float:
        return 4.0

    def codomain(self, op: Op) -> tuple[float, float]:
        match op:
            case Sign():
                return -1.0, 1.0
            case Positive() | NonZero():
                return 0.0, 1.0
        return -math.inf, math.inf

    def jumps(self, op: Op, x: Interval) -> list[tuple[Tensor, Tensor, Tensor]]:
        """The first and last jump inside, on each side of zero where they differ: place, and the least and greatest
        limit or value there."""
        match op:
            case Sign():
                zero = torch.zeros_like(x.lower)
                return [(zero, (x.lower < 0).to(zero) * -1, (x.upper > 0).to(zero))]
            case Positive():
                zero = torch.zeros_like(x.lower)
                return [(zero, zero, (x.upper > 0).to(zero))]
            case NonZero():
                zero = torch.zeros_like(x.lower)
                return [(zero, zero, (x.lower < x.upper).to(zero))]
            case Trunc():
                below = (x.lower.ceil().clamp(max=-1), (x.upper.ceil() - 1).clamp(max=-1))
                above = ((x.lower.floor() + 1).clamp(min=1), x.upper.floor().clamp(min=1))
                return [*((k, k, k + 1) for k in below), *((k, k - 1, k) for k in above)]
            case Floor():
                places = (x.lower.floor() + 1, x.upper.floor())
                return [(k, k - 1, k) for k in places]
            case Ceil():
                places = (x.lower.ceil(), x.upper.ceil() - 1)
                return [(k, k, k + 1) for k in places]
            case Round():
                first, last = x.lower.floor(), x.upper.ceil() - 1  # `x - 0.5` may round across a jump
                first = torch.where(x.lower <= first + 0.5, first, first + 1)
                last = torch.where(last + 0.5 <= x.upper, last, last - 1)
                return [(k + 0.5, k, k + 1) for k in (first, last)]
        raise TypeError(f"{op.label} is not known to be a staircase")

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        ends = [op.forward(end) - slope * end for end in (x.lower, x.upper)]
        least, greatest = torch.minimum(*ends), torch.maximum(*ends)
        for place, low, high in self.jumps(op, x):
            inside = (x.lower <= place) & (place <= x.upper)
            least = torch.where(inside, torch.minimum(least, low - slope * place), least)
            greatest = torch.where(inside, torch.maximum(greatest, high - slope * place), greatest)
        return least, greatest

    def guess(self, op: Op, x: Interval) -> Slopes:
        """The chord or a level line, whichever is tighter at the centre."""
        level = torch.zeros_like(x.lower)
        steep = chord(op.forward(x.lower), op.forward(x.upper), x).clamp(max=self.steepness(op))
        (low0, high0), (low1, high1) = self.gap(op, x, level), self.gap(op, x, steep)
        lower = torch.where(steep * x.center + low1 > low0, steep, level)
        upper = torch.where(steep * x.center + high1 < high0, steep, level)
        return Slopes(lower, upper)

    def linear(self, op: Op, x: Interval) -> Tensor:
        jump = torch.zeros_like(x.lower, dtype=torch.bool)
        for place, low, high in self.jumps(op, x):
            jump |= (x.lower <= place) & (place <= x.upper) & (low < high)
        return ~jump
