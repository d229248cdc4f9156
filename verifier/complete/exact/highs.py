"""HiGHS, spoken to directly: programs pass as arrays, LPs of one matrix are solved one after another from the last
basis."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.complete.exact.program import Answer, Program, Status, Vector

GAP = 1e-8  # between the bound and the point; the usual 1e-4 blurs margins


@dataclass(frozen=True)
class Highs:
    """Solve a program once, LP or MILP."""

    name = "HiGHS"

    def __call__(self, program: Program, seconds: float, stop_above: float = np.inf) -> Answer:
        if not program.integer.any():
            return LpRelaxation(program).solve(seconds)
        highs = started(program)
        highs.setOptionValue("time_limit", max(seconds, 0.0))
        highs.setOptionValue("mip_rel_gap", GAP)
        highs.setOptionValue("mip_abs_gap", GAP)

        def interrupt(event: Any) -> None:
            event.interrupt(event.data_out.mip_dual_bound > stop_above or event.data_out.mip_primal_bound < 0)

        highs.cbMipInterrupt.subscribe(interrupt)
        highs.run()
        return _claims(highs, highs.getInfo().mip_dual_bound)


class LpRelaxation:
    """The LP relaxation of a program, kept in the solver: box and cost may change, the rows stay."""

    def __init__(self, program: Program) -> None:
        self.program = program.relaxed()
        self._highs = started(self.program)

    def box(self, lower: Vector, upper: Vector) -> None:
        """Another box."""
        self.program = self.program.within(lower, upper)
        n = len(lower)
        self._highs.changeColsBounds(n, np.arange(n, dtype=np.int32), lower, upper)

    def minimise(self, cost: Vector, constant: float = 0.0) -> None:
        """Another objective."""
        self.program = self.program.minimising(cost, constant)
        n = len(cost)
        self._highs.changeColsCost(n, np.arange(n, dtype=np.int32), cost)
        self._highs.changeObjectiveOffset(constant)

    def solve(self, seconds: float) -> Answer:
        """From where the last solve ended."""
        highs = self._highs
        highs.setOptionValue("time_limit", highs.getRunTime() + max(seconds, 0.0))
        highs.run()
        return _claims(highs, highs.getInfo().objective_function_value)


def started(program: Program) -> Any:
    """HiGHS with the program in it."""
    import highspy

    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.cost), len(program.row_lower)
    lp.col_cost_, lp.offset_ = program.cost, program.constant
    lp.col_lower_, lp.col_upper_ = program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = lp.num_col_, lp.num_row_
    lp.a_matrix_.start_ = program.matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = program.matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = program.matrix.data
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in program.integer]
    highs = _silent()
    highs.setOptionValue("threads", 1)
    highs.passModel(lp)
    return highs


def _silent() -> Any:
    """HiGHS, told to print nothing before it can: 1.16 greets on stdout, where only results belong, as soon as its
    callbacks are enabled."""
    import highspy

    class Silent(highspy.Highs):
        def enableCallbacks(self) -> None:  # its constructor asks for them
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    return Silent()


def _claims(highs: Any, bound: float) -> Answer:
    import highspy

    kinds = highspy.HighsModelStatus
    status, solution = highs.getModelStatus(), highs.getSolution()
    point = np.array(solution.col_value) if solution.value_valid else None
    duals = np.array(solution.row_dual) if solution.dual_valid else None
    if status == kinds.kOptimal:
        return Answer(Status.OPTIMAL, bound, point, duals)
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        return Answer(Status.INFEASIBLE, np.inf, None, _ray(highs))
    if status in (kinds.kTimeLimit, kinds.kInterrupt, kinds.kIterationLimit):
        return Answer(Status.LIMIT, bound, point, duals)
    return Answer(Status.FAILED, -np.inf)


def _ray(highs: Any) -> Vector | None:
    """Multipliers that show infeasibility, where HiGHS has them."""
    _, found, ray = highs.getDualRay()
    return np.array(ray) if found else None
