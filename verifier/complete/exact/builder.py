"""Programs under construction: columns and rows come in blocks, and a node's value is an affine form of columns."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import sparse

from verifier.complete.exact.matrix import longest, widened
from verifier.complete.exact.program import Mask, Program, Vector
from verifier.complete.exact.safe import rounding
from verifier.errors import UnsupportedModel
from verifier.numerics import SAFETY

Index = np.ndarray
LARGEST = 1e15  # HiGHS ran for minutes, and took 23 GB, with 1e200


@dataclass(frozen=True, eq=False)
class Form:
    """`n` numbers that are `matrix (n, columns) @ v + constant`, each within its `error`; what is meant is real."""

    matrix: sparse.csr_array
    constant: Vector
    error: Vector

    def __len__(self) -> int:
        return len(self.constant)

    def at(self, index: Index) -> Self:
        """The numbers at `index`."""
        return replace(self, matrix=self.matrix[index], constant=self.constant[index], error=self.error[index])

    def width(self) -> Vector:
        """How many columns each number depends on."""
        return np.diff(self.matrix.indptr)


class ProgramBuilder:
    """Blocks of columns and rows; everything is kept as it is added."""

    def __init__(self) -> None:
        self.lower, self.upper = np.zeros(0), np.zeros(0)
        self.integer = np.zeros(0, dtype=bool)
        self._rows: list[tuple[sparse.csr_array, Vector, Vector, Vector]] = []
        self.definitions: dict[int, tuple[Index, Form]] = {}  # by the number of their block of rows

    @property
    def count(self) -> int:
        """Columns so far."""
        return len(self.lower)

    def columns(self, lower: Vector, upper: Vector, integer: bool = False) -> Index:
        """New variables in a box; their numbers."""
        first = self.count
        self.lower, self.upper = np.concatenate([self.lower, lower]), np.concatenate([self.upper, upper])
        self.integer = np.concatenate([self.integer, np.full(len(lower), integer)])
        return np.arange(first, self.count)

    def binaries(self, count: int) -> Index:
        return self.columns(np.zeros(count), np.ones(count), integer=True)

    def rows(self, matrix: sparse.csr_array, lower: Vector, upper: Vector, slack: Vector) -> None:
        """`lower <= matrix @ v <= upper`, up to `slack`."""
        self._rows.append((matrix, lower, upper, slack))

    def unit(self, index: Index) -> Form:
        """The columns at `index` as a form."""
        n = len(index)
        matrix = sparse.csr_array((np.ones(n), (np.arange(n), index)), shape=(n, self.count))
        return Form(matrix, np.zeros(n), np.zeros(n))

    def constant(self, values: Vector) -> Form:
        n = len(values)
        return Form(sparse.csr_array((n, self.count)), values, np.zeros(n))

    def reach(self, form: Form) -> Vector:
        """At least the size of everything that is added up in a form."""
        size = np.maximum(np.abs(self.lower), np.abs(self.upper))[: form.matrix.shape[1]]
        return (abs(form.matrix) @ size + np.abs(form.constant)) * SAFETY

    def combine(self, parts: list[tuple[sparse.csr_array, Form]], offset: Vector, terms: int, moves: bool) -> Form:
        """`sum(A @ form) + offset`; `terms` bounds the roundings behind an entry of `A` or of `offset`.

        With `moves` the entries of `A` are ones, zeros and minus ones, exactly: a row with one of them rounds nothing.
        """
        matrix = sparse.csr_array((len(offset), self.count))
        constant, error, size = offset.copy(), np.zeros(len(offset)), np.abs(offset)
        entries = (offset != 0).astype(int)
        for a, form in parts:
            terms += longest(a) + longest(form.matrix)
            matrix = sparse.csr_array(matrix + a @ widened(form.matrix, self.count))
            constant = constant + a @ form.constant
            error = error + abs(a) @ form.error
            size = size + abs(a) @ self.reach(form)
            entries += (abs(a) > 0).sum(axis=1) if moves else 2
        lost = np.where(entries <= 1, 0.0, rounding(terms + len(parts)) * size)
        return Form(matrix, constant, (error + lost) * SAFETY)

    def scaled(self, form: Form, slope: Vector, shift: Vector) -> Form:
        """`slope * form + shift`, entry by entry."""
        if not len(form):
            return form
        same = (slope == 1) & (shift == 0)
        found = self.combine([(sparse.csr_array(sparse.diags_array(slope)), form)], shift, 1, False)
        return Form(found.matrix, found.constant, np.where(same, form.error, found.error))

    def stacked(self, forms: list[tuple[Index, Form]], count: int) -> Form:
        """One form of `count` numbers from several, each with the places of its entries."""
        place = np.concatenate([index for index, _ in forms])
        matrix = sparse.vstack([widened(form.matrix, self.count) for _, form in forms], format="csr")
        order = np.argsort(place)
        constant = np.concatenate([form.constant for _, form in forms])[order]
        error = np.concatenate([form.error for _, form in forms])[order]
        assert len(place) == count
        return Form(sparse.csr_array(matrix)[order], constant, error)

    def define(self, form: Form, lower: Vector, upper: Vector) -> Index:
        """Columns that equal a form; what is a column already is narrowed to the interval."""
        plain = (form.width() == 1) & (form.constant == 0) & (form.error == 0)
        plain[plain] = form.matrix[plain].data == 1
        index = np.zeros(len(form), dtype=int)
        index[plain] = known = form.matrix[plain].indices
        self.narrow(known, lower[plain], upper[plain])
        new, rest = free(~plain), form.at(free(~plain))
        index[new] = self.columns(lower[new], upper[new])
        self.definitions[len(self._rows)] = (index[new], rest)
        matrix = sparse.csr_array(self.unit(index[new]).matrix - widened(rest.matrix, self.count))
        self.rows(matrix, rest.constant, rest.constant, rest.error)
        return index

    def narrow(self, index: Index, lower: Vector, upper: Vector) -> None:
        """Columns lie in an interval, too."""
        self.lower, self.upper = self.lower.copy(), self.upper.copy()
        np.maximum.at(self.lower, index, lower)
        np.minimum.at(self.upper, index, upper)

    def require(self, terms: list[tuple[Index, Vector | float]], least: Vector | float) -> None:
        """Rows `sum(coefficient * column) >= least`; the numbers are exact, or rounded so that the rows are loose."""
        matrix = self._products(terms)
        n = matrix.shape[0]
        self.rows(matrix, np.array(np.broadcast_to(least, n), dtype=float), np.full(n, np.inf), np.zeros(n))

    def equate(self, terms: list[tuple[Index, Vector | float]], value: Vector) -> None:
        """Rows `sum(coefficient * column) == value`."""
        self.rows(self._products(terms), value, value, np.zeros(len(value)))

    def _products(self, terms: list[tuple[Index, Vector | float]]) -> sparse.csr_array:
        n = len(terms[0][0])
        data = np.concatenate([np.broadcast_to(np.asarray(c, dtype=float), n) for _, c in terms])
        column = np.concatenate([index for index, _ in terms])
        row = np.tile(np.arange(n), len(terms))
        return sparse.csr_array((data, (row, column)), shape=(n, self.count))

    def greatest(self, form: Form) -> Index:
        """A column that is at least every number of a form, and as small as that allows."""
        reach = self.reach(form) + form.error
        top = self.columns(np.full(1, -reach.max()), np.full(1, reach.max()))
        n = len(form)
        ones = sparse.csr_array((np.ones(n), (np.arange(n), np.repeat(top, n))), shape=(n, self.count))
        matrix = sparse.csr_array(ones - widened(form.matrix, self.count))
        self.rows(matrix, form.constant, np.full(n, np.inf), form.error)
        return top

    def mark(self) -> tuple[int, int]:
        """What was added so far, to go back to."""
        return self.count, len(self._rows)

    def back(self, mark: tuple[int, int]) -> None:
        """Forget what was added since."""
        columns, blocks = mark
        self.lower, self.upper, self.integer = self.lower[:columns], self.upper[:columns], self.integer[:columns]
        del self._rows[blocks:]
        self.definitions = {number: found for number, found in self.definitions.items() if number < blocks}

    def plain_rows(self) -> list[tuple[sparse.csr_array, Vector, Vector, Vector]]:
        """Blocks of rows that define no column."""
        return [block for number, block in enumerate(self._rows) if number not in self.definitions]

    def finish(self, cost: Vector, constant: float) -> Program:
        """The program with everything that was added.

        Raises:
            UnsupportedModel: its numbers are not finite, or so large that solvers never end with them.
        """
        n, blocks = self.count, self._rows
        matrix = sparse.vstack([sparse.csr_array((0, n)), *(widened(m, n) for m, *_ in blocks)], format="csr")
        least, most, slack = (np.concatenate([np.zeros(0), *(block[i] for block in blocks)]) for i in (1, 2, 3))
        matrix = sparse.csr_array(matrix)
        rows = np.concatenate([side[np.isfinite(side)] for side in (least, most)])  # one side of a row may be open
        numbers = np.concatenate([matrix.data, rows, slack, cost, self.lower, self.upper, [constant]])
        if not (np.abs(numbers) < LARGEST).all():  # false for NaN
            raise UnsupportedModel(f"numbers beyond {LARGEST:g} are no work for a solver")
        return Program(cost, constant, self.lower, self.upper, matrix, least, most, slack, self.integer)


def free(mask: Mask) -> Index:
    """Places where a mask is true."""
    return np.flatnonzero(mask)
