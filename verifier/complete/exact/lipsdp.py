"""LipSDP (Fazlyab et al. 2019, theorem 2): one quadratic inequality for all neurons of a network together.

Slopes lie in `[least, most]`, so `(z - least * p)(z - most * p) <= 0` for deviations `z` after and `p` before a neuron.
For any multipliers `m >= 0` and any `rho`, where

    M = rho |u|^2 + sum(m (z - least p)(z - most p)) - (row . z)^2

has no eigenvalue below `-e`, `(row . z)^2 <= rho |u|^2 + e |(u, z)|^2`. What cvxpy answers only suggests `m` and `rho`.
"""

import numpy as np

from verifier.complete.exact.deviations import Deviations
from verifier.complete.exact.modelling import solve
from verifier.complete.exact.norms import least_eigenvalue
from verifier.complete.exact.program import Vector
from verifier.complete.exact.safe import rounding
from verifier.complete.search import Work
from verifier.numerics import SAFETY


def lipsdp(deviations: Deviations, rows: Vector, most: int, work: Work) -> Vector:
    """At least how far each of `rows (k, n)` gets from its value at the centre; infinity where the network does not
    suit (a maximum, more than `most` neurons) or time is up."""
    away = np.full(len(rows), np.inf)
    build, blocks = deviations.build, deviations.blocks
    neurons = sum(int((block.least < block.most).sum()) for block in blocks)
    if neurons > most or build.count > 2 * most or any(block.argument is None for block in blocks[1:]):
        return away
    units = np.concatenate([block.scale * block.spread for block in blocks]) * SAFETY  # columns become about 1
    first, second, error = _factors(deviations, units)
    form = deviations.output(rows)
    for k, row in enumerate(form.matrix.toarray()):
        if work.late():
            break
        padded = np.zeros(build.count)
        padded[: len(row)] = row
        away[k] = _row(padded * units, first, second, error, blocks[0].index, work) + form.error[k]
    return away * SAFETY


def _factors(deviations: Deviations, units: Vector) -> tuple[Vector, Vector, Vector]:
    """For every neuron the two factors of its inequality over the columns in their units, `(neurons, columns)`, and
    the most that rounding changes their product."""
    count = deviations.build.count
    firsts, seconds, errors = [], [], []
    for block in deviations.blocks[1:]:
        assert block.argument is not None
        p = np.zeros((len(block.index), count))
        p[:, : block.argument.matrix.shape[1]] = block.argument.matrix.toarray()
        z = np.zeros_like(p)
        z[np.arange(len(block.index)), block.index] = 1.0
        pair = [(z - slope[:, None] * p) * units for slope in (block.least, block.most)]
        steep = np.maximum(np.abs(block.least), np.abs(block.most))
        size = [np.abs(f).sum(axis=1) + steep * (np.abs(p) * units).sum(axis=1) + units[block.index] for f in pair]
        lost = [steep * block.argument.error + rounding(count) * s for s in size]
        firsts.append(pair[0])
        seconds.append(pair[1])
        errors.append((lost[0] * size[1] + lost[1] * size[0] + lost[0] * lost[1]) * SAFETY)
    if not firsts:
        return np.zeros((0, count)), np.zeros((0, count)), np.zeros(0)
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(errors)


def _row(row: Vector, first: Vector, second: Vector, error: Vector, inputs: Vector, work: Work) -> float:
    """The bound for one row over columns in units of their reach: each is at most 1, those of the input as a vector."""
    found = _suggested(row, first, second, inputs, work)
    if found is None:
        return np.inf
    rho, m = found
    matrix, size = quadratic(row, first, second, m)
    matrix[inputs, inputs] += rho
    lost = rounding(len(row) + len(m) + 4) * (size.sum() + rho * len(inputs)) + m @ error
    below = min(0.0, least_eigenvalue(matrix))
    square = (rho + lost - below * len(row)) * SAFETY  # the input's units make it a vector of length at most 1
    return float(np.nextafter(np.sqrt(square), np.inf)) if square >= 0 else np.inf


def quadratic(row: Vector, first: Vector, second: Vector, m: Vector) -> tuple[Vector, Vector]:
    """The matrix without `rho`, and the sizes of what was added up in each of its entries."""
    half = first.T @ (m[:, None] * second)
    size = np.abs(first).T @ (m[:, None] * np.abs(second))
    return (half + half.T) / 2 - np.outer(row, row), (size + size.T) / 2 + np.abs(np.outer(row, row))


def _suggested(row: Vector, first: Vector, second: Vector, inputs: Vector, work: Work) -> tuple[float, Vector] | None:
    """`rho` and multipliers of the semidefinite program."""
    import cvxpy

    n = len(row)
    rho, m = cvxpy.Variable(nonneg=True), cvxpy.Variable(len(first), nonneg=True)
    chosen = np.zeros(n)
    chosen[inputs] = 1.0
    half = first.T @ cvxpy.diag(m) @ second if len(first) else np.zeros((n, n))
    matrix = rho * np.diag(chosen) + (half + half.T) / 2 - np.outer(row, row)
    task = cvxpy.Problem(cvxpy.Minimize(rho), [matrix >> 0])
    solve(task, "CLARABEL", work.seconds)
    if rho.value is None or m.value is None or not (np.isfinite(m.value).all() and np.isfinite(rho.value)):
        return None
    return max(float(rho.value), 0.0), np.maximum(m.value, 0.0)
