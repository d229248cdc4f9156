"""Branch and bound on the binaries of a program, every leaf closed by a safe dual bound: complete, and re-derived.

Depth first, so that each LP starts from its neighbour's basis. It is meant for small networks.
"""

import time

import numpy as np

from verifier.complete.exact.highs import LpRelaxation
from verifier.complete.exact.program import Answer, Program, Status
from verifier.complete.exact.question import Question
from verifier.complete.exact.safe import infeasible, lower_bound
from verifier.verdict import Falsified, Reason, Unknown, Verified

Fixed = tuple[tuple[int, float], ...]  # columns of binaries and their values


class Tree:
    """Is the least value of `program` positive? It can be asked again, to go on with more nodes."""

    def __init__(self, program: Program, question: Question) -> None:
        self.program, self.question = program, question
        self._relaxation = LpRelaxation(program)
        self._stack: list[tuple[Fixed, float]] = [((), -np.inf)]
        self._margin, self._count = np.inf, 0

    def run(self, nodes: int, deadline: float = np.inf) -> Verified | Falsified | Unknown:
        """At most `nodes` LPs more, and until `deadline` (of `time.monotonic()`); `Unknown` with the reason `DOMAINS`
        where nodes were not enough."""
        work, name = self.question.work, self.question.name
        last = self._count + nodes
        while self._stack:
            late = work.late() or time.monotonic() > deadline
            if late or self._count >= last:
                reason = Reason.TIME if late else Reason.DOMAINS
                return Unknown(reason, min(bound for _, bound in self._stack), name, f"{self._count} nodes")
            fixed, known = self._stack.pop()
            self._count += 1
            self._move(self._relaxation, fixed)
            answer = self._relaxation.solve(work.seconds)
            bound = max(known, proven(self._relaxation.program, answer))
            if bound > 0:
                self._margin = min(self._margin, bound)
                continue
            if found := self.question.refute(answer.point):
                return found
            branch = self._branch(answer, fixed)
            if branch is None:
                self._stack.append((fixed, bound))  # never again closed by forgetting it
                reason = Reason.TIME if work.late() else Reason.NUMERICS
                return Unknown(reason, bound, name, f"a leaf stays open: {answer.status.value}")
            self._stack += [((*fixed, (branch[0], value)), bound) for value in branch[1]]
        return Verified(float(self._margin), name)

    def _move(self, relaxation: LpRelaxation, fixed: Fixed) -> None:
        lower, upper = self.program.lower.copy(), self.program.upper.copy()
        for column, value in fixed:
            lower[column] = upper[column] = value
        relaxation.box(lower, upper)

    def _branch(self, answer: Answer, fixed: Fixed) -> tuple[int, tuple[float, float]] | None:
        """The binary that holds the bound down most, by the size of its rows' multipliers, and its values, the one to
        try first last. Without an answer any binary does."""
        open_ = self.program.integer & (self.program.lower < self.program.upper)
        open_[[column for column, _ in fixed]] = False
        if not open_.any():
            return None
        if answer.point is None or answer.multipliers is None:
            return int(open_.argmax()), (0.0, 1.0)
        share = np.minimum(answer.point, 1 - answer.point).clip(0)
        weight = abs(self.program.matrix).T @ np.abs(answer.multipliers)
        score = np.where(open_, (weight + 1e-9) * (share + 1e-9), -1.0)
        column = int(score.argmax())
        near = float(answer.point[column] > 0.5)
        return column, (1 - near, near)


def proven(program: Program, answer: Answer) -> float:
    """What the solver's multipliers prove: infinity where no point is left; -infinity where they prove nothing."""
    if answer.multipliers is None:
        return -np.inf
    if answer.status is Status.INFEASIBLE:
        return np.inf if infeasible(program, answer.multipliers) else -np.inf
    return lower_bound(program, answer.multipliers)
