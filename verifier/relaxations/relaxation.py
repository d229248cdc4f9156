"""The contract of a nonlinearity: its sound gap. Slopes are guesses, intercepts are proofs.

For any slope `s`, `gap` encloses `f(x) - s * x` over an interval, so `s * x + least` lies below `f` and
`s * x + greatest` above it, whatever heuristic, optimiser or user chose `s`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes of a lower and an upper line; `(B, *in)`, or `(S, B, *in)` where they differ by row."""

    lower: Tensor
    upper: Tensor


@dataclass(frozen=True, eq=False)
class Lines:
    """`lower.slope * x + least <= f(x) <= upper.slope * x + greatest`; an intercept of None is zero everywhere."""

    slopes: Slopes
    least: Tensor | None
    greatest: Tensor | None

    def select(self, index: Tensor) -> "Lines":
        """Those of the inputs at `index (N,)`; for lines that do not differ by row."""
        least = None if self.least is None else self.least[index]
        greatest = None if self.greatest is None else self.greatest[index]
        return Lines(Slopes(self.slopes.lower[index], self.slopes.upper[index]), least, greatest)


class Relaxation(ABC):
    """What bounds one kind of nonlinearity. Its argument's interval is `(B, *in)`."""

    conditions: str = ""  # what a user reads in --explain
    exact: bool = False  # is nothing in `image` rounded?

    @abstractmethod
    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Least and greatest value `(B, *out)` of `f(x) - slope * x` over the interval, for any slope."""

    @abstractmethod
    def guess(self, op: Op, x: Interval) -> Slopes:
        """Slopes that usually leave little area between the lines."""

    @abstractmethod
    def linear(self, op: Op, x: Interval) -> Tensor:
        """`(B, *in)`: is the function linear on the interval? Then its bounds need no further work."""

    @abstractmethod
    def steepness(self, op: Op) -> float:
        """A bound of the slopes worth choosing, by size, as far as the lines' own slopes don't tell: `forward` and
        `gap` may be wrong by a few units of roundoff of `steepness * |x| + |slope * x| + |f(x)|`, no more."""

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        """Least and greatest slopes worth choosing on the interval: the optimiser stays between them."""
        steep = torch.full_like(x.lower, self.steepness(op))
        return Slopes(-steep, -steep), Slopes(steep, steep)

    def cut(self, op: Op, x: Interval) -> Tensor:
        """Where to cut the interval in two, so that the function is easier on both parts: `(B, *in)`."""
        return x.center

    def codomain(self, op: Op) -> tuple[float, float]:
        """Values that the function can't leave, on the whole line: rounding must not widen its interval beyond."""
        return -math.inf, math.inf

    def spread(self, coefficient: Tensor) -> Tensor:
        """Coefficients `(S, B, *out)` shaped to meet slopes `(B, *in)`."""
        return coefficient

    def lines(self, op: Op, x: Interval, slopes: Slopes | None = None) -> Lines:
        """A line below and one above. Chosen slopes yield to the exact one where the function is linear."""
        chosen = self.guess(op, x) if slopes is None else self._exact_where_linear(op, x, slopes)
        return Lines(chosen, self.gap(op, x, chosen.lower)[0], self.gap(op, x, chosen.upper)[1])

    def parallel(self, op: Op, x: Interval, usual: Slopes) -> Tensor:
        """One slope for the lines on both sides: of the usual ones and, of functions of one argument, the chord's that
        with the least gap."""
        best, width = usual.lower, self._width(op, x, usual.lower)
        rest = [usual.upper]
        if width.shape == x.lower.shape:
            rest.append(chord(op.forward(x.lower), op.forward(x.upper), x))
        for slope in rest:
            other = self._width(op, x, slope)
            less = other < width
            best = torch.where(less if less.shape == slope.shape else less.unsqueeze(-1), slope, best)
            width = torch.minimum(width, other)
        return best

    def _width(self, op: Op, x: Interval, slope: Tensor) -> Tensor:
        least, greatest = self.gap(op, x, slope)
        return (greatest - least).nan_to_num(torch.inf, torch.inf)

    def _exact_where_linear(self, op: Op, x: Interval, slopes: Slopes) -> Slopes:
        fixed = self.linear(op, x)
        if not bool(fixed.any()):
            return slopes
        guess = self.guess(op, x)
        return Slopes(torch.where(fixed, guess.lower, slopes.lower), torch.where(fixed, guess.upper, slopes.upper))

    def image(self, op: Op, x: Interval) -> Interval:
        """The interval of `f`: the gap of a level line."""
        least, greatest = self.gap(op, x, torch.zeros_like(x.lower))
        return Interval(least, greatest)


def chord(f_lower: Tensor, f_upper: Tensor, x: Interval) -> Tensor:
    """The slope between the interval's ends; zero where they coincide."""
    width = x.upper - x.lower
    return torch.where(width > 0, (f_upper - f_lower) / width.clamp(min=torch.finfo(width.dtype).tiny), 0.0)
