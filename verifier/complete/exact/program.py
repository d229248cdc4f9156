"""A mixed-integer linear program, what a solver answers, and the contract of a solver.

Every variable has a finite box: a lower bound can then be had from any multipliers, see `safe`.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Program:
    """Minimise `cost @ v + constant` over `lower <= v <= upper (n)` and `row_lower <= matrix @ v <= row_upper (m)`.

    `integer (n)` marks variables that are 0 or 1. `slack (m)` is what rounding did to the rows as they are stored: the
    rows that are meant lie within it. `constant` was rounded down by what rounding did to `cost`.
    """

    cost: Vector
    constant: float
    lower: Vector
    upper: Vector
    matrix: sparse.csr_array
    row_lower: Vector
    row_upper: Vector
    slack: Vector
    integer: Mask

    def relaxed(self) -> Self:
        """Without integrality: the LP relaxation."""
        return replace(self, integer=np.zeros_like(self.integer))

    def minimising(self, cost: Vector, constant: float = 0.0) -> Self:
        """Another objective over the same set."""
        return replace(self, cost=cost, constant=constant)

    def within(self, lower: Vector, upper: Vector) -> Self:
        """Another box of the same rows: a subproblem."""
        return replace(self, lower=lower, upper=upper)


class Status(Enum):
    """What a solver claims."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    LIMIT = "stopped at a limit"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Answer:
    """A solver's claims, none of them believed: `bound` of the least value, a `point (n)`, `multipliers (m)` of the
    rows (where infeasible a ray of them), positive where a lower side pushes."""

    status: Status
    bound: float
    point: Vector | None = None
    multipliers: Vector | None = None


class Solver(Protocol):
    """Anything that solves programs; `stop_above` allows to stop once the bound is higher than that."""

    @property
    def name(self) -> str:
        """As a user reads it."""

    def __call__(self, program: Program, seconds: float, stop_above: float = np.inf) -> Answer:
        """Minimise, for at most about `seconds`."""
