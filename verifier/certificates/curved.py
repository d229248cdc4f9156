"""One rule for all functions that are convex or concave between known points (`curves.py`).

Of `h = f - slope * x` on a convex piece the greatest value is at an end. Below it lie the tangents at any two points:
they are taken where the derivative changes its sign, as far as a few halvings find that, and a bad point only loosens.
"""

import numpy as np

from verifier.certificates.curves import Piece, curve
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Lines, Range, Rule
from verifier.graph.op import Op

HALVINGS = 12  # what the tangents lose falls with the square of what is left: to a 10^-7th


class Curved(Rule):
    """A smooth function of each entry, in float64 only."""

    gamma: float
    tiny: float

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        self.inexact()
        self.curve = curve(op)
        self.gamma = float(numbers.gamma(self.curve.roundings))

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """At a point any slope does."""
        fixed, own = lower == upper, np.zeros(lower.shape)
        for piece in self.curve.pieces(lower):
            if isinstance(piece.sign, int) and piece.sign == 0:
                inside = (lower >= piece.lower) & (upper <= piece.upper)
                fixed, own = fixed | inside, np.where(inside, piece.derivative(lower), own)
        return fixed, own

    def range(self, lower: Array, upper: Array) -> Range:
        """Derivatives are extreme where pieces end; where one is infinite the chord is as steep as it gets."""
        least, most = np.full(lower.shape, np.inf), np.full(lower.shape, -np.inf)
        for piece in self.curve.pieces(lower):
            a, b = self._part(piece, lower, upper)
            for x in (a, np.minimum(np.maximum(lower / 2 + upper / 2, a), b), b):
                slope = piece.derivative(x)
                use = np.isfinite(slope) & (a < b)
                least, most = (
                    np.where(use, np.minimum(least, slope), least),
                    np.where(use, np.maximum(most, slope), most),
                )
        (chord,) = self.chords(lower, upper)
        least, most = (np.where(np.isfinite(x), x, chord) for x in (least, most))
        both = np.minimum(least, chord), np.maximum(most, chord)
        return both, both

    def chords(self, lower: Array, upper: Array) -> tuple[Array, ...]:
        chord = (self.curve.value(upper) - self.curve.value(lower)) / np.where(lower < upper, upper - lower, 1.0)
        return (np.where(np.isfinite(chord), chord, 0.0),)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        return self._extreme(lower, upper, slope, 1), -self._extreme(lower, upper, slope, -1)

    def lines(self, lower: Array, upper: Array, low: Array, high: Array) -> Lines:
        fixed, own = self.linear(lower, upper)
        low, high = np.where(fixed, own, low), np.where(fixed, own, high)
        return Lines(low, high, self._extreme(lower, upper, low, 1), -self._extreme(lower, upper, high, -1))

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Within what the function can be at all."""
        low, high = super().image(lower, upper)
        return np.maximum(low, self.curve.image[0]), np.minimum(high, self.curve.image[1])

    @staticmethod
    def _part(piece: Piece, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The part of the interval that lies in the piece; an end of the interval where there is none."""
        return tuple(np.minimum(np.maximum(end, lower), upper) for end in (piece.lower, piece.upper))

    def _extreme(self, lower: Array, upper: Array, slope: Array, side: int) -> Array:
        """Below all values of `side * (f - slope * x)`; minus infinity where that is unknown."""
        found = np.full(np.broadcast_shapes(lower.shape, slope.shape), np.inf)
        for piece in self.curve.pieces(lower):
            if not ((upper >= piece.lower) & (lower <= piece.upper)).any():
                continue
            a, b = self._part(piece, lower, upper)
            ends = np.minimum(self._height(a, slope, side), self._height(b, slope, side))
            bent = np.broadcast_to(piece.sign * side > 0, ends.shape)
            if bent.any():
                ends = np.where(bent, self._tangents(piece, a, b, slope, side), ends)
            found = np.minimum(found, ends)
        least = np.array(self.curve.image[0] if side > 0 else -self.curve.image[1])
        rest = self._sum(least, -np.maximum(side * slope * lower, side * slope * upper))
        found = np.where(self.curve.defined(lower, upper), found, rest)
        return np.where(np.isnan(found), -np.inf, found)

    def _height(self, x: Array, slope: Array, side: int) -> Array:
        """`side * (f(x) - slope * x)`, rounded downwards."""
        value, drop = self.curve.value(x), np.where(slope == 0, 0.0, slope * x)
        pad = self.gamma * (abs(value) + abs(drop) + self.curve.steep * abs(x)) + self.tiny
        return side * (value - drop) - pad

    def _tilt(self, piece: Piece, x: Array, slope: Array, side: int) -> tuple[Array, Array]:
        """Below and above the derivative of `side * (f - slope * x)`."""
        rise = piece.derivative(x)
        tilt, off = side * (rise - slope), self.gamma * (abs(rise) + abs(slope) + self.curve.steep) + self.tiny
        return tilt - off, tilt + off

    def _tangents(self, piece: Piece, a: Array, b: Array, slope: Array, side: int) -> Array:
        """Below `side * (f - slope * x)`, convex on `[a, b]`: left of `far` by the tangent at `near`, else at `far`."""
        near, far = self._bracket(piece, a, b, slope, side)
        (low, high), (after, _) = self._tilt(piece, near, slope, side), self._tilt(piece, far, slope, side)
        fall = np.minimum(_times(low, far - near), _times(high, a - near))
        rest = np.minimum(_times(after, b - far), 0.0)
        left, right = self._height(near, slope, side), self._height(far, slope, side)
        return np.minimum(self._sum(left, fall), self._sum(right, rest))

    def _sum(self, a: Array, b: Array) -> Array:
        """Below `a + b`."""
        return a + b - self.gamma * (abs(a) + abs(b)) - self.tiny

    def _bracket(self, piece: Piece, a: Array, b: Array, slope: Array, side: int) -> tuple[Array, Array]:
        """Two points, in order, between which the function is least if they are well chosen."""
        if piece.point is not None:
            point = np.minimum(np.maximum(piece.point(slope), a), b)
            point = np.where(np.isnan(point), a, point)
            return point, point
        zero = np.zeros(np.broadcast_shapes(a.shape, slope.shape))
        near, far = a + zero, b + zero
        far = np.where(side * (piece.derivative(near) - slope) >= 0, near, far)
        near = np.where(side * (piece.derivative(far) - slope) <= 0, far, near)
        for _ in range(HALVINGS):
            middle = near / 2 + far / 2
            middle = np.minimum(np.maximum(middle, near), far)
            rising = side * (piece.derivative(middle) - slope) > 0
            near, far = np.where(rising, near, middle), np.where(rising, middle, far)
        return near, far


def _times(tilt: Array, width: Array) -> Array:
    """Their product; nothing falls over no width, however steep."""
    return np.where(width == 0, 0.0, tilt * width)
