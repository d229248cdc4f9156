"""Functions that are level between jumps: `f(x) - slope * x` is extreme at the interval's ends or beside a jump, and
over jumps at equal distances beside the first or the last one. Both sides of a jump count."""

import numpy as np

from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Range, Rule, least, most
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops.activation import Ceil, Floor, NonZero, Positive, Round, Sign, Trunc

STEEPEST = 4.0  # of slopes that shares speak of
Jump = tuple[Array, Array, Array]


class Steps(Rule):
    """Rounding and comparisons with zero, in float64 only; whole numbers are exact there."""

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        self.inexact()

    def value(self, x: Array) -> Array:
        match self.op:
            case Sign():
                return np.sign(x)
            case Positive():
                return np.where(x > 0, 1.0, np.where(x <= 0, 0.0, np.nan))
            case NonZero():
                return abs(np.sign(x))
            case Floor():
                return np.floor(x)
            case Ceil():
                return np.ceil(x)
            case Trunc():
                return np.trunc(x)
            case Round():
                return np.rint(x)
        raise UnsupportedModel(f"the checker has no rule for {self.op.label}")

    def jumps(self, lower: Array, upper: Array) -> list[Jump]:
        """Places, and the least and the greatest value or limit there, as far as the interval holds it."""
        zero = np.zeros(lower.shape)
        match self.op:
            case Sign():
                return [(zero, np.where(lower < 0, -1.0, 0.0), np.where(upper > 0, 1.0, 0.0))]
            case Positive():
                return [(zero, zero, np.where(upper > 0, 1.0, 0.0))]
            case NonZero():
                return [(zero, zero, np.where(lower < upper, 1.0, 0.0))]
            case Floor():
                return [(k, k - 1, k) for k in (np.floor(lower) + 1, np.floor(upper))]
            case Ceil():
                return [(k, k, k + 1) for k in (np.ceil(lower), np.ceil(upper) - 1)]
            case Trunc():
                falling = np.minimum(np.ceil(lower), -1.0), np.minimum(np.ceil(upper) - 1, -1.0)
                rising = np.maximum(np.floor(lower) + 1, 1.0), np.maximum(np.floor(upper), 1.0)
                return [(k, k, k + 1) for k in falling] + [(k, k - 1, k) for k in rising]
            case Round():
                first, last = np.floor(lower), np.ceil(upper) - 1  # `x - 0.5` could be rounded across a jump
                first, last = first + (first + 0.5 < lower), last - (last + 0.5 > upper)
                return [(k + 0.5, k, k + 1) for k in (first, last)]
        raise UnsupportedModel(f"the checker has no rule for {self.op.label}")

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        fixed = np.isfinite(lower) & np.isfinite(upper)
        for place, low, high in self.jumps(lower, upper):
            fixed &= ~((lower <= place) & (place <= upper) & (low < high))
        return fixed, np.zeros(lower.shape)

    def range(self, lower: Array, upper: Array) -> Range:
        steep = np.full(lower.shape, STEEPEST)
        return (-steep, steep), (-steep, steep)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        below, above = [], []
        ends = [(x, self.value(x), self.value(x)) for x in (lower, upper)]
        for place, low, high in [*ends, *self.jumps(lower, upper)]:
            inside = ~((place < lower) | (place > upper))
            level = (slope == 0) | (place == 0)
            drop = np.where(level, 0.0, slope * place)
            pad = np.where(level, 0.0, self.gamma * (abs(low) + abs(high) + abs(drop)) + self.tiny)
            below.append(np.where(inside, low - drop - pad, np.inf))
            above.append(np.where(inside, high - drop + pad, -np.inf))
        low, high = least(below), most(above)
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
