"""The semidefinite relaxation of a ReLU network (Raghunathan et al. 2018, section 4), from its dual side.

Over columns `w` in [-1, 1] (inputs and neurons, scaled) every neuron lies on one of two lines: with `f, g` its
distances from them, `f >= 0`, `g >= 0` and `f g = 0`. For any multipliers of the right signs

    cost(w) = bound + sum(a f) + sum(b g) + sum(c f g) + sum(d (1 - w^2)) + sum(e row) + [1, w]' M [1, w]

holds for the matrix `M` that makes it an identity, so that `bound` less what the least eigenvalue of `M` allows lies
below the minimum. The modelling layer is given this dual: what it answers are multipliers, and any of them prove.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from verifier.complete.exact.builder import Form, Index
from verifier.complete.exact.encode import Encoder
from verifier.complete.exact.modelling import solve
from verifier.complete.exact.norms import least_eigenvalue
from verifier.complete.exact.pieces import Line
from verifier.complete.exact.program import Program, Vector
from verifier.complete.exact.safe import rounding
from verifier.numerics import SAFETY


@dataclass(frozen=True, eq=False)
class Functions:
    """`k` affine functions of `w`: `values (k, 1 + n)`, the constant first, each within `error` on the box."""

    values: Vector
    error: Vector

    @property
    def size(self) -> Vector:
        """At least the absolute value on the box."""
        return (np.abs(self.values).sum(axis=1) * SAFETY) + self.error


@dataclass(frozen=True, eq=False)
class Quadratic:
    """What is known of `w (n)` in [-1, 1]: `first * second = 0`, both not negative, `rows >= 0`; minimise `cost`."""

    first: Functions
    second: Functions
    rows: Functions
    cost: Functions

    @property
    def variables(self) -> int:
        return self.cost.values.shape[1] - 1


def quadratic(encoder: Encoder, program: Program) -> Quadratic:
    """The encoded network with its defined columns put in, and without binaries."""
    substitution = _Substitution(encoder)
    rows = []
    for matrix, low, high, slack in encoder.build.plain_rows():
        keep = np.asarray(abs(matrix)[:, encoder.build.integer[: matrix.shape[1]]].sum(axis=1)) == 0
        for sign, side in ((1.0, low), (-1.0, high)):
            at = np.flatnonzero(keep & np.isfinite(side))
            rows.append(substitution(Form(sign * matrix[at], -sign * side[at], slack[at])))
    pairs = [substitution.kink(k) for k in range(len(encoder.kinks))]
    cost = Form(sparse.csr_array(program.cost[None]), np.array([program.constant]), np.zeros(1))
    return Quadratic(
        joined([p[0] for p in pairs], substitution.count),
        joined([p[1] for p in pairs], substitution.count),
        joined([*rows, *(p[2] for p in pairs)], substitution.count),
        substitution(cost),
    )


class _Substitution:
    """Columns of a program as affine functions of the free ones, scaled to [-1, 1]."""

    def __init__(self, encoder: Encoder) -> None:
        build = encoder.build
        self.encoder, self.build = encoder, build
        defined = [index for index, _ in build.definitions.values()]
        free_ = ~build.integer
        free_[np.concatenate([np.zeros(0, dtype=int), *defined])] = False
        self.free: Index = np.flatnonzero(free_)
        self.count = len(self.free)
        lower, upper = build.lower[self.free], build.upper[self.free]
        middle = lower / 2 + upper / 2
        radius = np.nextafter(np.maximum(upper - middle, middle - lower), np.inf) * (upper > lower)
        self.values = np.zeros((build.count, 1 + self.count))
        self.error = np.zeros(build.count)
        self.values[self.free, 0] = middle
        self.values[self.free, 1 + np.arange(self.count)] = radius
        for index, form in build.definitions.values():
            found = self(form)
            self.values[index], self.error[index] = found.values, found.error

    def __call__(self, form: Form) -> Functions:
        """A form of columns as functions of `w`."""
        n = form.matrix.shape[1]
        values = form.matrix @ self.values[:n]
        values[:, 0] += form.constant
        size = abs(form.matrix) @ np.abs(self.values[:n]).sum(axis=1) + np.abs(form.constant)
        error = form.error + abs(form.matrix) @ self.error[:n] + rounding(n + 2) * size
        return Functions(values, error * SAFETY)

    def kink(self, number: int) -> tuple[Functions, Functions, Functions]:
        """Distances from both lines, and from the chord between the ends of the interval."""
        k = self.encoder.kinks[number]
        chord = _chord(self.build.lower[k.input], self.build.upper[k.input], k.sign, k.left, k.right)
        left, right = (self._beyond(k.input, k.output, k.sign, *line) for line in (k.left, k.right))
        return left, right, self._beyond(k.input, k.output, -k.sign, *chord)

    def _beyond(self, x: Index, y: Index, sign: Vector, slope: Vector, shift: Vector) -> Functions:
        """`sign * (y - slope * x - shift)`."""
        n = len(x)
        data, place = np.concatenate([sign, -sign * slope]), np.tile(np.arange(n), 2)
        matrix = sparse.csr_array((data, (place, np.concatenate([y, x]))), shape=(n, self.build.count))
        return self(Form(matrix, -sign * shift, np.zeros(n)))


def _chord(low: Vector, high: Vector, sign: Vector, left: Line, right: Line) -> Line:
    """A line beyond the kink over the interval: any slope will do, the intercept is moved outwards."""
    ends = [(low, left[0] * low + left[1]), (high, right[0] * high + right[1])]
    slope = (ends[1][1] - ends[0][1]) / np.where(high > low, high - low, 1.0)
    shifts = [sign * (y - slope * x) for x, y in ends]
    size = sum(np.abs(y) + np.abs(slope * x) for x, y in ends) + np.abs(left[1]) + np.abs(right[1])
    return slope, sign * (np.maximum(*shifts) + rounding(4) * size)


def joined(parts: list[Functions], count: int) -> Functions:
    return Functions(
        np.concatenate([np.zeros((0, 1 + count)), *(p.values for p in parts)]),
        np.concatenate([np.zeros(0), *(p.error for p in parts)]),
    )


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Of everything that is known; all but those of products are not negative."""

    bound: float
    first: Vector
    second: Vector
    product: Vector
    squares: Vector
    rows: Vector

    def signed(self) -> "Multipliers":
        """With negative ones, where there may be none, set to zero."""
        first, second, squares, rows = (np.maximum(v, 0.0) for v in (self.first, self.second, self.squares, self.rows))
        return Multipliers(self.bound, first, second, self.product, squares, rows)


def proven(q: Quadratic, m: Multipliers) -> float:
    """A lower bound of the cost that holds in real arithmetic, whatever the multipliers."""
    m = m.signed()
    linear = q.cost.values[0] - m.first @ q.first.values - m.second @ q.second.values - m.rows @ q.rows.values
    linear_size = np.abs(q.cost.values[0]) + m.first @ np.abs(q.first.values) + m.second @ np.abs(q.second.values)
    linear_size = linear_size + m.rows @ np.abs(q.rows.values)
    half = q.first.values.T @ (m.product[:, None] * q.second.values)
    size = np.abs(q.first.values).T @ (np.abs(m.product)[:, None] * np.abs(q.second.values))
    matrix = -(half + half.T) / 2
    matrix[0] += linear / 2
    matrix[:, 0] += linear / 2
    n = len(m.squares)
    matrix[np.arange(1, n + 1), np.arange(1, n + 1)] += m.squares
    matrix[0, 0] -= m.bound + m.squares.sum()
    total = size.sum() + linear_size.sum() + 2 * m.squares.sum() + abs(m.bound)
    lost = rounding(2 * n + 4 + len(m.rows) + 3 * len(m.product)) * total
    lost += q.cost.error[0] + m.first @ q.first.error + m.second @ q.second.error + m.rows @ q.rows.error
    lost += np.abs(m.product) @ (q.first.error * q.second.size + q.second.error * q.first.size)
    below = min(0.0, least_eigenvalue(matrix))
    bound = m.bound + below * (1 + n) * SAFETY - lost * SAFETY
    return float(np.nextafter(bound, -np.inf)) if np.isfinite(bound) else -np.inf


def suggested(q: Quadratic, seconds: float, solver: str) -> Multipliers | None:
    """Multipliers from cvxpy: the greatest bound whose matrix is positive semidefinite."""
    import cvxpy

    n, k = q.variables, len(q.first.values)
    bound, product = cvxpy.Variable(), cvxpy.Variable(k)
    first, second = cvxpy.Variable(k, nonneg=True), cvxpy.Variable(k, nonneg=True)
    squares, rows = cvxpy.Variable(n, nonneg=True), cvxpy.Variable(len(q.rows.values), nonneg=True)
    linear = q.cost.values[0] - first @ q.first.values - second @ q.second.values - rows @ q.rows.values
    half = q.first.values.T @ cvxpy.diag(product) @ q.second.values
    edge = np.eye(n + 1)[:, :1] @ cvxpy.reshape(linear, (1, n + 1), order="C")
    diagonal = cvxpy.diag(cvxpy.hstack([-bound - cvxpy.sum(squares), squares]))
    matrix = (edge + edge.T) / 2 - (half + half.T) / 2 + diagonal
    task = cvxpy.Problem(cvxpy.Maximize(bound), [matrix >> 0])
    solve(task, solver, seconds)
    found = [np.asarray(v.value, dtype=float) for v in (first, second, product, squares, rows, bound)]
    if not all(np.isfinite(v).all() for v in found):
        return None
    return Multipliers(float(found.pop()), *found)
