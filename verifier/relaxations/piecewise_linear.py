"""ReLU, LeakyReLU, PReLU, Clip and Abs: continuous and linear between breakpoints."""

import math
from itertools import combinations

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu
from verifier.interval import Interval
from verifier.relaxations.relaxation import Lines, Relaxation, Slopes


class PiecewiseLinear(Relaxation):
    """`f(x) - s * x` is linear between breakpoints, so its extremes lie at them or at the interval's ends."""

    conditions = "exact where the interval holds no breakpoint inside"

    def breakpoints(self, op: Op, like: Tensor) -> list[Tensor]:
        """Where the slope changes, ascending; each broadcasts against `like (B, *)`."""
        match op:
            case Relu() | LeakyRelu() | Abs():
                return [like.new_zeros(())]
            case Clip():
                return [op.least, op.greatest]
        raise TypeError(f"{op.label} is not known to be piecewise linear")

    def codomain(self, op: Op) -> tuple[float, float]:
        return (0.0, math.inf) if isinstance(op, Relu | Abs) else (-math.inf, math.inf)

    def steepness(self, op: Op) -> float:
        return max(1.0, float(op.slope.abs().max())) if isinstance(op, LeakyRelu) else 1.0

    def corners(self, op: Op, x: Interval) -> list[Tensor]:
        """The interval's ends, and the breakpoints as far as they lie inside."""
        inside = [torch.minimum(torch.maximum(x.lower, b), x.upper) for b in self.breakpoints(op, x.lower)]
        return [x.lower, *inside, x.upper]

    def cut(self, op: Op, x: Interval) -> Tensor:
        """At a breakpoint, where one lies inside."""
        point = x.center
        for b in self.breakpoints(op, x.lower):
            point = torch.where((x.lower < b) & (b < x.upper), b, point)
        return point

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        values = torch.stack([op.forward(c) - slope * c for c in self.corners(op, x)])
        return values.amin(0), values.amax(0)

    def guess(self, op: Op, x: Interval) -> Slopes:
        """Of all slopes between two corners those whose lines are tightest at the centre, so of least area."""
        corners = self.corners(op, x)
        slopes = []
        for a, b in combinations(corners, 2):
            slope = (op.forward(b) - op.forward(a)) / torch.where(b > a, b - a, 1.0)
            slopes.append(torch.where(b > a, slope, 0.0))
        lowest = [s * x.center + self.gap(op, x, s)[0] for s in slopes]
        highest = [s * x.center + self.gap(op, x, s)[1] for s in slopes]
        stack = torch.stack(slopes)
        below = torch.stack(lowest).nan_to_num(-torch.inf).argmax(0, keepdim=True)
        above = torch.stack(highest).nan_to_num(torch.inf).argmin(0, keepdim=True)
        return Slopes(stack.gather(0, below)[0], stack.gather(0, above)[0])

    def linear(self, op: Op, x: Interval) -> Tensor:
        inside = torch.zeros_like(x.lower, dtype=torch.bool)
        for b in self.breakpoints(op, x.lower):
            inside |= (x.lower < b) & (b < x.upper)
        return ~inside


class ReluRelaxation(PiecewiseLinear):
    """ReLU's closed form (Zhang et al. 2018, CROWN, section 3.2); the general one stays as its test."""

    def image(self, op: Op, x: Interval) -> Interval:
        """ReLU grows."""
        return Interval(op.forward(x.lower), op.forward(x.upper))

    def guess(self, op: Op, x: Interval) -> Slopes:
        upper = self._chord(x)
        return Slopes((upper > 0.5).to(upper.dtype), upper)

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        """The chord is the best upper line; below, any slope from 0 to 1 touches the ReLU."""
        upper = self._chord(x)
        return Slopes((x.lower >= 0).to(upper), upper), Slopes((x.upper > 0).to(upper), upper)

    def lines(self, op: Op, x: Interval, slopes: Slopes | None = None) -> Lines:
        if slopes is None:
            upper = self._chord(x)
            lower = (upper > 0.5).to(upper.dtype)
        else:  # with a slope in [0, 1], exact where stable, the least gap is 0
            least, most = (x.lower >= 0).to(x.lower), (x.upper > 0).to(x.lower)
            lower, upper = torch.clamp(slopes.lower, least, most), torch.clamp(slopes.upper, least, most)
        ends = torch.maximum(
            (-x.lower * upper).nan_to_num(0.0, torch.inf), (x.upper * (1 - upper)).nan_to_num(0.0, torch.inf)
        )
        return Lines(Slopes(lower, upper), None, ends.relu())  # 0 is the gap at zero; 0 * inf that of a line that fits

    def parallel(self, op: Op, x: Interval, usual: Slopes) -> Tensor:
        """The chord, whose gap is the least."""
        return usual.upper

    @staticmethod
    def _chord(x: Interval) -> Tensor:
        """`u / (u - l)` for `l < 0 < u`, 1 above, 0 below. Without an upper end 1, without a lower one 0: both stay
        above the ReLU with the intercepts -l and u."""
        above = x.upper.relu() / 2
        width = above - x.lower.clamp(max=0) / 2  # halves don't overflow
        slope = above / width
        denormal = (width < torch.finfo(width.dtype).tiny) & (above > 0)  # halves are rounded there; 1 is sound
        return torch.where((x.lower >= 0) | slope.isnan() | denormal, 1.0, slope)
