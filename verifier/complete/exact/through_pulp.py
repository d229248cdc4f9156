"""Solvers through PuLP, by name: HiGHS, CBC, SCIP, Gurobi, where they are installed.

HiGHS is spoken to directly by default (`highs.py`), as PuLP builds expressions entry by entry.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.complete.exact.program import Answer, Program, Status
from verifier.errors import InputError

GAP = 1e-6  # relative; what a solver leaves open when it calls a solution optimal
NAMES = {"highs": "HiGHS", "cbc": "PULP_CBC_CMD", "scip": "SCIP_PY", "gurobi": "GUROBI"}


@dataclass(frozen=True)
class Pulp:
    """`solver` is one of `NAMES`.

    What PuLP calls optimal may have stopped at a limit, so bounds are the solver's own dual bound; one that keeps it to
    itself has a bound only where it ended.
    """

    solver: str = "highs"

    def __post_init__(self) -> None:
        if self.solver not in NAMES:
            raise InputError(f"no solver is called {self.solver!r}; there are {', '.join(NAMES)}")

    @property
    def name(self) -> str:
        return f"{NAMES[self.solver]} through PuLP"

    def __call__(self, program: Program, seconds: float, stop_above: float = np.inf) -> Answer:
        import pulp

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of PuLP about itself
            known = pulp.listSolvers(onlyAvailable=True)
            if NAMES[self.solver] not in known:
                found = [name for name, theirs in NAMES.items() if theirs in known]
                raise InputError(f"{self.solver} is not installed; there are {', '.join(found)}")
            problem, variables = stated(program)
            try:
                problem.solve(pulp.getSolver(NAMES[self.solver], msg=False, timeLimit=max(seconds, 0.1)))
            except pulp.PulpSolverError:
                return Answer(Status.FAILED, -np.inf)
        return self._claims(program, problem, [v.value() for v in variables])

    def _claims(self, program: Program, problem: Any, values: list[float | None]) -> Answer:
        import pulp

        if problem.status == pulp.LpStatusInfeasible:
            return Answer(Status.INFEASIBLE, np.inf)
        if problem.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
            return Answer(Status.LIMIT, -np.inf)
        given = zip(values, program.lower, strict=True)  # PuLP leaves out variables that no row has
        point = np.array([low if value is None else value for value, low in given])
        value = float(program.cost @ point + program.constant)
        if problem.sol_status == pulp.LpSolutionOptimal and not (self.tells and program.integer.any()):
            return Answer(Status.OPTIMAL, value - GAP * max(1.0, abs(value)), point)
        bound = dual_bound(self.solver, problem.solverModel) + program.constant if self.tells else -np.inf
        ended = value - bound <= 1e-4 * max(1.0, abs(bound))
        return Answer(Status.OPTIMAL if ended else Status.LIMIT, bound, point)

    @property
    def tells(self) -> bool:
        """Does the solver tell its dual bound?"""
        return self.solver != "cbc"


def stated(program: Program) -> tuple[Any, list[Any]]:
    """The program in PuLP's words but for the constant, and its variables in order.

    PuLP tells some solvers of the objective's constant and others not, so their dual bounds would differ by it.
    """
    import pulp

    problem = pulp.LpProblem("network", pulp.LpMinimize)
    variables = [
        pulp.LpVariable(f"v{i:07d}", low, high, pulp.LpInteger if whole else pulp.LpContinuous)
        for i, (low, high, whole) in enumerate(zip(program.lower, program.upper, program.integer, strict=True))
    ]
    chosen = np.flatnonzero(program.cost)
    problem += pulp.LpAffineExpression([(variables[j], program.cost[j]) for j in chosen])
    a = program.matrix
    for i, (low, high) in enumerate(zip(program.row_lower, program.row_upper, strict=True)):
        span = slice(a.indptr[i], a.indptr[i + 1])
        row = pulp.LpAffineExpression(zip((variables[j] for j in a.indices[span]), a.data[span], strict=True))
        if low == high:
            problem += row == low
            continue
        if np.isfinite(low):
            problem += row >= low
        if np.isfinite(high):
            problem += row <= high
    return problem, variables


def dual_bound(solver: str, model: Any) -> float:
    """The solver's lower bound of the least value; -inf where it has none yet."""
    match solver:
        case "highs":
            bound = float(model.getInfo().mip_dual_bound)
        case "scip":
            bound = float(model.getDualbound())
        case "gurobi":
            bound = float(model.ObjBound)
        case _:
            raise TypeError(f"no dual bound is known for {solver}")
    return bound if np.isfinite(bound) else -np.inf
