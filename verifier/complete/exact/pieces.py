"""Piecewise-linear functions of one variable as exact mixed-integer rows, sharp for each neuron on its own.

Two pieces: the big-M rows of Tjeng et al. 2019 (equation 6), written for any kink. Three: the incremental formulation
(Vielma 2015, section 8). Without integrality both are the convex hull of the graph over the interval: for ReLU the
triangle of Ehlers 2017. Every coefficient is exact or rounded outwards.
"""

from dataclasses import dataclass

import numpy as np

from verifier.complete.exact.builder import Index, ProgramBuilder
from verifier.complete.exact.program import Vector
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu


@dataclass(frozen=True, eq=False)
class Pieces:
    """Lines `slope * x + shift`, each `(lines, n)`, and the `breaks (lines - 1, n)` between them, ascending."""

    slope: Vector
    shift: Vector
    breaks: Vector

    def line(self, number: Index, at: Index) -> tuple[Vector, Vector]:
        """Slope and shift of line `number` of the entries `at`."""
        return self.slope[number, at], self.shift[number, at]


@dataclass(frozen=True, eq=False)
class Kinks:
    """Entries whose two lines are undecided: `output` is the greater line of `input` (`sign` 1), or the lesser (-1);
    `binary` says which."""

    input: Index
    output: Index
    binary: Index
    sign: Vector
    left: tuple[Vector, Vector]
    right: tuple[Vector, Vector]


def pieces(op: Op, shape: tuple[int, ...]) -> Pieces | None:
    """The pieces of an op on a node of this shape; None where it has no continuous ones that we know."""
    n = int(np.prod(shape, dtype=int))
    zero, one = np.zeros(n), np.ones(n)

    def spread(x: object) -> Vector:
        return np.array(np.broadcast_to(np.asarray(x, dtype=float), shape)).reshape(n)

    match op:
        case Relu():
            return Pieces(np.stack([zero, one]), np.stack([zero, zero]), zero[None])
        case LeakyRelu():
            return Pieces(np.stack([spread(op.slope.numpy()), one]), np.stack([zero, zero]), zero[None])
        case Abs():
            return Pieces(np.stack([-one, one]), np.stack([zero, zero]), zero[None])
        case Clip():
            least, greatest = spread(op.least.numpy()), spread(op.greatest.numpy())
            if (least > greatest).any():
                return None
            ends = np.stack([least, greatest])
            return Pieces(np.stack([zero, one, zero]), np.stack([least, zero, greatest]), ends)
    return None


Line = tuple[Vector, Vector]  # slope and shift


def add_kinks(build: ProgramBuilder, x: Index, y: Index, left: Line, right: Line) -> Kinks:
    """`y` is the line `left` of `x` up to their crossing, then `right`; the crossing lies inside the box of `x`."""
    (s1, t1), (s2, t2) = left, right
    sign = np.where(s2 > s1, 1.0, -1.0)
    binary = build.binaries(len(x))
    low, high = build.lower[x], build.upper[x]
    most_left = above(sign, s1, t1, s2, t2, low)  # how far the left line is beyond the right one at its end
    most_right = above(sign, s2, t2, s1, t1, high)
    for slope, shift in (left, right):
        build.require([(y, sign), (x, -sign * slope)], sign * shift)
    build.require([(y, -sign), (x, sign * s2), (binary, -most_left)], -plus(most_left, sign * t2))
    build.require([(y, -sign), (x, sign * s1), (binary, most_right)], -sign * t1)
    return Kinks(x, y, binary, sign, left, right)


def above(sign: Vector, s: Vector, t: Vector, s0: Vector, t0: Vector, x: Vector) -> Vector:
    """At least `sign * ((s * x + t) - (s0 * x + t0))`, and not negative."""
    value = sign * ((s - s0) * x + (t - t0))
    size = (np.abs(s) + np.abs(s0)) * np.abs(x) + np.abs(t) + np.abs(t0)
    exact = (t == 0) & (t0 == 0) & np.isin(s, (0.0, 1.0, -1.0)) & np.isin(s0, (0.0, 1.0, -1.0))
    return np.maximum(np.where(exact, value, value + size * 2.0**-50), 0.0)


def plus(a: Vector, b: Vector) -> Vector:
    """`a + b` rounded up; exact where one of them is zero."""
    return np.where((a == 0) | (b == 0), a + b, np.nextafter(a + b, np.inf))


def add_clips(build: ProgramBuilder, x: Index, y: Index, least: Vector, greatest: Vector) -> None:
    """`y = clip(x)` with both ends inside the box of `x`: steps `d` along three pieces, each full before the next."""
    low, high = build.lower[x], build.upper[x]
    first, middle, last = (interval(b, a) for a, b in ((low, least), (least, greatest), (greatest, high)))
    n = len(x)
    d = [build.columns(np.zeros(n), part[1]) for part in (first, middle, last)]
    one, two = build.binaries(n), build.binaries(n)
    build.require([(d[0], 1.0), (one, -first[0])], 0.0)
    build.require([(d[1], -1.0), (one, middle[1])], 0.0)
    build.require([(d[1], 1.0), (two, -middle[0])], 0.0)
    build.require([(d[2], -1.0), (two, last[1])], 0.0)
    build.equate([(x, 1.0), *((part, -1.0) for part in d)], low)
    build.equate([(y, 1.0), (d[1], -1.0)], least)


def interval(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """Floats below and above `a - b`, which is not negative."""
    value = a - b
    below = np.maximum(np.where(value > 0, np.nextafter(value, -np.inf), 0.0), 0.0)
    return below, np.where(value > 0, np.nextafter(value, np.inf), 0.0)
