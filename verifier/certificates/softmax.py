"""An entry's share in a softmax, `f = 1 / S` with `S = 1 + sum(exp(x_j))` of how far the others lie above it.

Below `f`: chords lie above the exponentials, and a tangent below the reciprocal of their sum (Wei et al. 2023, section
3, made linear). Above: tangents lie below the exponentials, and the reciprocal's chord above it. Both hold wherever
tangents touch, and chords are moved up to lie above the ends that they join.
"""

import numpy as np

from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Range, Rule
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op

FLATTEST = 1e-300  # tangents that are flatter say nothing, chords are level: denormal numbers have large errors
Plane = tuple[Array, Array]  # slopes (..., n) and an offset (...), rounded so that the plane bounds over the box


class Share(Rule):
    """Of each group of entries one share, in float64 only. numpy's exponential is taken to be right to 32 units."""

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        self.inexact()
        if not shape[-1]:
            raise UnsupportedModel("the checker has no rule for a softmax of one entry")
        self.group = shape[-1]
        self.gamma = float(numbers.gamma(64 + 8 * self.group))

    def _grouped(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], -1, self.group)

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        point = (self._grouped(lower) == self._grouped(upper)).all(-1)
        return np.repeat(point, self.group, -1), np.zeros(lower.shape)

    def range(self, lower: Array, upper: Array) -> Range:
        """From level lines to the planes."""
        x = self._grouped(lower), self._grouped(upper)
        slopes = [slope.reshape(lower.shape) for slope, _ in (self._below(*x), self._above(*x))]
        low, high = (np.where(np.isfinite(slope), slope, 0.0) for slope in slopes)
        return (np.minimum(low, 0), np.maximum(low, 0)), (np.minimum(high, 0), np.maximum(high, 0))

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """A share falls with all of its arguments."""
        most, least = (1 / (1 + np.exp(self._grouped(x)).sum(-1)) for x in (lower, upper))
        low, high = least - self.gamma * least - self.tiny, most + self.gamma * most + self.tiny
        return np.where(low > 0, low, 0.0), np.where(high < 1, high, 1.0)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        low, high, s = (self._grouped(x) for x in (lower, upper, slope))
        least, most = self.image(lower, upper)
        (up, top), (down, bottom) = self._above(low, high), self._below(low, high)
        return self._least((down, bottom), least, s, low, high), -self._least((-up, -top), -most, -s, low, high)

    def _least(self, plane: Plane, end: Array, slope: Array, low: Array, high: Array) -> Array:
        """Below `f - slope . x` for an `f` above the plane and above `end`, so above every mixture of both. Tried are
        the one next to the slope, the plane, and the level."""
        weight, offset = plane
        size = (weight * weight).sum(-1)
        near = np.clip((weight * slope).sum(-1) / np.where(size > 0, size, 1.0), 0.0, 1.0)
        best = np.full(near.shape, -np.inf)
        for share in (np.where(np.isnan(near), 0.0, near), np.ones(near.shape), np.zeros(near.shape)):
            some = share[..., None]
            rest = np.where(some > 0, some * weight, 0.0) - slope
            moved = np.where(rest == 0, 0.0, np.minimum(rest * low, rest * high)).sum(-1)
            fixed = np.where(share > 0, share * offset, 0.0) + (1 - share) * end
            reach = np.maximum(abs(low), abs(high))
            lost = ((np.where(some > 0, some * abs(weight), 0.0) + abs(slope)) * reach).sum(-1)
            found = moved + fixed - self.gamma * (lost + abs(fixed) + abs(end)) - self.tiny * (1 + reach.sum(-1))
            best = np.where(found > best, found, best)  # what is no number says nothing
        return best

    def _below(self, low: Array, high: Array) -> Plane:
        first, last, width = np.exp(low), np.exp(high), high - low
        rise = np.where(width > 0, (last - first) / np.where(width > 0, width, 1.0), 0.0)
        pad = self.gamma * (first + last + abs(rise) * np.maximum(abs(low), abs(high))) + self.tiny
        start = np.maximum(first - rise * low, last - rise * high) + pad
        at = 1 + (rise * (low / 2 + high / 2) + start).sum(-1)
        touch = np.maximum(at, 1 + last.sum(-1) / 2)  # any positive number
        square = touch**-2.0
        offset = 2 / touch - square * (1 + start.sum(-1))
        lost = self.gamma * (2 / touch + square * (1 + abs(start).sum(-1))) + self.tiny
        return -square[..., None] * rise, np.where(square > FLATTEST, offset - lost, -np.inf)

    def _above(self, low: Array, high: Array) -> Plane:
        least, most = (1 + np.exp(low).sum(-1)) * (1 - self.gamma), (1 + np.exp(high).sum(-1)) * (1 + self.gamma)
        fall, touch = (1 - self.gamma) / (least * most), low / 2 + high / 2
        fall = np.where(fall > FLATTEST, fall, 0.0)  # a flatter chord, moved less, lies above the sums there are
        weight = fall[..., None] * np.exp(touch)
        offset = 1 / least + 1 / most - fall - (weight * (1 - touch)).sum(-1)
        lost = self.gamma * (1 / least + 1 / most + fall + (weight * (2 + abs(touch))).sum(-1)) + self.tiny
        return -weight, offset + lost
