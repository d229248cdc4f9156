"""The two arithmetics of the checker: float64 with a stated error, and fractions without one.

Arrays are float64, or hold `Fraction`s as objects; everything else is the same code. In float64 a sum of `n` products
is wrong by at most `gamma(n) = n u / (1 - n u)` times the sum of their absolute values, in any order, fused or not
(Higham 2002, section 3.1); products that leave the normal numbers lose less than `TINY` together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

Array = np.ndarray
UNIT = 2.0**-53
TINY = 2.0**-900
SLACK = 32  # roundings beside a sum: slopes times coefficients, corners of gaps, ends of intervals
LEVELS = 255  # of a slope's share of its range, kept as a byte
ENTRIES = 2**18  # of the largest array of a step, which then stays in the cache; walks by 2**22 took twice as long

_fractions = np.vectorize(Fraction, otypes=[object])
_quotients = np.vectorize(lambda a, b: Fraction(a) / Fraction(b) if b else Fraction(0), otypes=[object])


@dataclass(frozen=True)
class Numbers:
    """`exact` computes with fractions."""

    exact: bool = False

    def array(self, x: Array) -> Array:
        """Finite float64 numbers, taken exactly."""
        x = np.asarray(x, dtype=np.float64)
        if not self.exact:
            return x
        if not np.isfinite(x).all():
            raise ValueError("infinite numbers are no fractions")
        return _fractions(x) if x.size else x.astype(object)

    def shares(self, x: Array) -> Array:
        """Bytes as shares of 1."""
        x = np.asarray(x, dtype=np.uint8)
        return self.divide(x.astype(object), LEVELS) if self.exact and x.size else x / np.float64(LEVELS)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return self.array(np.zeros(shape))

    def gamma(self, terms: int) -> float | Fraction:
        if self.exact:
            return Fraction(0)
        n = (terms + SLACK) * UNIT
        if n > 0.01:
            raise ValueError(f"a sum of {terms} terms has no useful error bound")
        return n / (1 - n) * (1 + 2.0**-20)  # the error terms are sums, rounded themselves

    @property
    def tiny(self) -> float | Fraction:
        return Fraction(0) if self.exact else TINY

    def up(self, x: Array) -> Array:
        """At least the second float after `x`: above the number of which `x` is the nearest float, or the one after."""
        return x if self.exact else x + (abs(x) * (4 * UNIT) + TINY)

    def middle(self, low: Array, high: Array) -> tuple[Array, Array]:
        """A centre of each interval, and a radius that reaches both ends from there: at points none, as the denormal
        number after 0 makes every sum slow that it enters."""
        point = low == high
        center = np.where(point, low, self.divide(low + high, 2))
        return center, np.where(point, self.zeros((1,)), self.up(np.maximum(center - low, high - center)))

    def below(self, a: Array, b: Array) -> Array:
        """`a + b`, rounded downwards: a sum's error is a float itself (Knuth), so its sign is known."""
        total = a + b
        if self.exact:
            return total
        shadow = total - a
        error = (a - (total - shadow)) + (b - shadow)
        return np.where(error == 0, total, np.nextafter(total, -np.inf))

    def divide(self, a: Array, b: Array | float) -> Array:
        """`a / b`, 0 where `b` is 0."""
        if self.exact:
            return _quotients(a, b)
        a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), b)
        return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)

    def dot(self, a: Array, x: Array) -> Array:
        """`sum(a * x)`: `a (S, B, n)` with `x (B, n)`, `(1, n)` or `(S, B, n)` to `(S, B)`."""
        if self.exact:
            return (a * x).sum(-1) + Fraction(0)
        if x.ndim == 2 and len(x) == 1:
            return a @ x[0]
        if x.ndim == 3 and x.shape[1] == 1 and a.shape[1] == 1:
            return np.einsum("sbn,sbn->sb", a, x)
        return (
            np.einsum("sbn,sbn->sb", a, np.broadcast_to(x, a.shape)) if x.ndim == 3 else np.einsum("sbn,bn->sb", a, x)
        )

    def padded(self, x: Array, count: int) -> Array:
        """With zeros behind it, to `count` along the first axis."""
        return np.concatenate([x, self.zeros((count - len(x), *x.shape[1:]))]) if len(x) < count else x

    def finite(self, x: Array) -> Array:
        """Where `x` is a number that can be believed."""
        return np.ones(x.shape, dtype=bool) if self.exact else np.isfinite(x)


def chunks(count: int, entries: int) -> Sequence[slice]:
    """`count` rows of `entries` numbers each, in parts that fit into memory."""
    step = max(1, ENTRIES // max(entries, 1))
    return [slice(first, min(first + step, count)) for first in range(0, count, step)]
