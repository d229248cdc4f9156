"""The contract of a nonlinear op in the checker: for an interval and any slope, what `f(x) - slope * x` can be.

Slopes come from the certificate and may be anything; intercepts are computed here. `linear` tells where no slope has to
be chosen, `range` between which slopes a certificate's shares lie. Entries are flattened; `group` entries of the
argument belong to one of the result. Corners of a gap are moved outwards by the rounding of the few operations
behind them. A bound that is no number says nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.certificates.numbers import Array, Numbers
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op

Range = tuple[tuple[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Lines:
    """`low * x + least <= f(x) <= high * x + greatest`: slopes `(..., n)`, intercepts `(..., m)`; None is zero."""

    low: Array
    high: Array
    least: Array | None
    greatest: Array

    def select(self, boxes: Array) -> "Lines":
        """Of some of the boxes `(B, n)`."""

        def own(x: Array) -> Array:
            return x if len(x) == 1 else x[boxes]

        least = None if self.least is None else own(self.least)
        return Lines(own(self.low), own(self.high), least, own(self.greatest))


class Rule(ABC):
    """One nonlinear node."""

    group = 1

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        self.op, self.shape, self.numbers = op, shape, numbers
        self.gamma, self.tiny = numbers.gamma(64), numbers.tiny

    @abstractmethod
    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Where `f` is linear on the interval, `(B, n)`, and its slope there."""

    @abstractmethod
    def range(self, lower: Array, upper: Array) -> Range:
        """The least and the greatest slope of the lower line, and of the upper one."""

    @abstractmethod
    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        """Below and above all values of `f(x) - slope * x`: `(..., m)`."""

    def standard(self, lower: Array, upper: Array) -> Lines | None:
        """The usual lines, where a formula says which; else the certificate does."""
        return None

    def lines(self, lower: Array, upper: Array, low: Array, high: Array) -> Lines:
        """Lines with these slopes, and with the function's own where it is linear."""
        fixed, own = self.linear(lower, upper)
        low, high = np.where(fixed, own, low), np.where(fixed, own, high)
        return Lines(low, high, self.gap(lower, upper, low)[0], self.gap(lower, upper, high)[1])

    def chords(self, lower: Array, upper: Array) -> tuple[Array, ...]:
        """The slope from end to end, of functions of one argument."""
        return ()

    def parallel(self, lower: Array, upper: Array, usual: Lines) -> Lines:
        """Lines with the same slope on both sides: of the usual ones and the chord's that with the least gap."""
        slopes = [usual.low, usual.high, *self.chords(lower, upper)]
        least, most = zip(*(self.gap(lower, upper, slope) for slope in slopes), strict=True)
        best, width = slopes[0], most[0] - least[0]
        for slope, low, high in zip(slopes[1:], least[1:], most[1:], strict=True):
            less = high - low < width
            best, width = np.where(np.repeat(less, self.group, -1), slope, best), np.where(less, high - low, width)
        return self.lines(lower, upper, best, best)

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The interval of `f`: the gap of a level line."""
        return self.gap(lower, upper, self.numbers.zeros((1, lower.shape[-1])))

    def inexact(self) -> None:
        """Raise where fractions were asked for, of a function without exact values, or without a rule for them."""
        if self.numbers.exact:
            raise UnsupportedModel(f"{self.op.label} has no exact values here; check without --exact")


def least(arrays: Sequence[Array]) -> Array:
    found = arrays[0]
    for x in arrays[1:]:
        found = np.minimum(found, x)
    return found


def most(arrays: Sequence[Array]) -> Array:
    found = arrays[0]
    for x in arrays[1:]:
        found = np.maximum(found, x)
    return found
