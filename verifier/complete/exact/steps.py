"""Nonlinearities that are not continuous functions of one variable: sign, maxima; and lines for everything else."""

import numpy as np
from scipy import sparse

from verifier.complete.exact.builder import Index, ProgramBuilder
from verifier.complete.exact.pieces import plus
from verifier.complete.exact.program import Vector


def add_signs(build: ProgramBuilder, x: Index, y_lower: Vector, y_upper: Vector) -> Index:
    """Columns `y = a + b - 1` with `a` where `x` may be positive and `b` where it is not negative, `a <= b`.

    At 0 all three values are allowed, as both sides of a jump count: that loses no point.
    """
    y = build.columns(y_lower, y_upper)
    positive, nonnegative = build.binaries(len(x)), build.binaries(len(x))
    low, high = np.minimum(build.lower[x], 0.0), np.maximum(build.upper[x], 0.0)
    build.require([(x, 1.0), (positive, low)], low)
    build.require([(x, -1.0), (nonnegative, high)], 0.0)
    build.require([(nonnegative, 1.0), (positive, -1.0)], 0.0)
    build.equate([(y, 1.0), (positive, -1.0), (nonnegative, -1.0)], np.full(len(x), -1.0))
    return y


def add_maxima(build: ProgramBuilder, x: Index, rival: Vector, y_lower: Vector, y_upper: Vector) -> Index:
    """Columns `y`, the maxima of the rows of `x (n, group)`; only rivals can be the greatest, and a binary says which.

    Tjeng et al. 2019, equation 9.
    """
    y = build.columns(y_lower, y_upper)
    group, place = np.nonzero(rival)
    entry, top = x[group, place], y[group]
    binary = build.binaries(len(entry))
    most = np.maximum(plus(build.upper[top], -build.lower[entry]), 0.0)
    build.require([(top, 1.0), (entry, -1.0)], 0.0)
    build.require([(top, -1.0), (entry, 1.0), (binary, -most)], -most)
    ones = sparse.csr_array((np.ones(len(binary)), (group, binary)), shape=(len(x), build.count))
    build.rows(ones, np.ones(len(x)), np.ones(len(x)), np.zeros(len(x)))
    return y


def add_lines(
    build: ProgramBuilder, x: Index, y: Index, below: tuple[Vector, Vector], above: tuple[Vector, Vector]
) -> None:
    """`below <= y <= above`, both lines `(slope (n, group), intercept (n))` of the rows of `x (n, group)`."""
    for sign, (slope, intercept) in ((1.0, below), (-1.0, above)):
        terms = [(x[:, k], -sign * slope[:, k]) for k in range(x.shape[1])]
        build.require([(y, sign), *terms], sign * intercept)


def leaders(lower: Vector, upper: Vector) -> Vector:
    """`(n, group)`: which entries may have to be the greatest."""
    rival = upper > lower.max(axis=1, keepdims=True)
    rival[np.arange(len(lower)), lower.argmax(axis=1)] = True
    return rival
