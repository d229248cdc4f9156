"""Exact and LP-based methods as searches that a plan can name."""

import sys
import time
from abc import abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

from verifier.bounding.methods import AlphaCrown, Crown, Method
from verifier.complete.exact.encode import Encoder
from verifier.complete.exact.highs import Highs
from verifier.complete.exact.program import Program, Solver, Status
from verifier.complete.exact.question import Question
from verifier.complete.exact.safe import lower_bound
from verifier.complete.exact.tighten import Tightening
from verifier.complete.exact.tree import Tree
from verifier.complete.search import OneByOne, Work
from verifier.errors import UnsupportedModel
from verifier.problem import Problem
from verifier.verdict import Falsified, Reason, Trust, Unknown, Verdict, Verified

TOLERANCE = 1e-6  # relative; what a MILP solver's bound must exceed: solvers work to about this feasibility
TURN = 0.3  # of the time left, at most, for the first turn of the tree


@dataclass(frozen=True)
class Exact(OneByOne):
    """What these methods share: proven bounds first, then a program for each clause that is still open."""

    bounding: Method = field(default_factory=AlphaCrown)

    def answer(self, problem: Problem, work: Work) -> Verdict:
        question = Question(problem, self.bounding, work, self.name)
        if work.late():
            return Unknown(Reason.TIME, -np.inf, self.name)
        if work.deployed is not None:
            return Unknown(Reason.UNSUPPORTED, -np.inf, self.name, "programs are about real arithmetic only")
        try:
            question.bound()
            return self._clauses(question)
        except UnsupportedModel as error:
            return Unknown(Reason.UNSUPPORTED, -np.inf, self.name, str(error))
        except TimeoutError:
            return Unknown(Reason.TIME, min(question.clauses.values()), self.name, "while the program was built")

    def _clauses(self, question: Question) -> Verdict:
        if not question.clauses:
            return Verified(question.proved, self.name)
        encoder = self.encode(question)
        margin, trust = question.proved, Trust.RECHECKED
        for number, (clause, known) in enumerate(question.clauses.items()):
            question.work.note(f"{self.name}: clause {number + 1} of {len(question.clauses)}, best bound {known:.4g}")
            verdict = self.clause(question, encoder, question.rows_of(clause))
            if isinstance(verdict, Unknown):
                return replace(verdict, best=max(verdict.best, min(question.clauses.values())))
            if isinstance(verdict, Falsified):
                return verdict
            margin, trust = min(margin, verdict.margin), trust if verdict.trust is Trust.RECHECKED else verdict.trust
        return Verified(margin, self.name, trust)

    def encode(self, question: Question) -> Encoder:
        """The network over the region."""
        return question.encoder().run()

    @abstractmethod
    def clause(self, question: Question, encoder: Encoder, rows: list[int]) -> Verdict:
        """Is the greatest of these rows positive everywhere?"""


@dataclass(frozen=True)
class Lp(Exact):
    """The LP relaxation: triangles for ReLU (Ehlers 2017), all neurons together. Safe dual bounds.

    `tightening` bounds undecided neurons by LPs of the layers before them.
    """

    name = "lp"
    tightening: Tightening | None = None

    def encode(self, question: Question) -> Encoder:
        return tightened(question, self.tightening)

    def clause(self, question: Question, encoder: Encoder, rows: list[int]) -> Verdict:
        program = question.program(encoder, rows)
        answer = Highs()(program.relaxed(), question.work.seconds)
        if answer.multipliers is None:
            return Unknown(Reason.SOLVER, -np.inf, self.name, answer.status.value)
        bound = lower_bound(program, answer.multipliers)
        if bound > 0:
            return Verified(bound, self.name)
        reason = Reason.TIME if answer.status is Status.LIMIT else Reason.LOOSE
        return question.refute(answer.point) or Unknown(reason, bound, self.name)


@dataclass(frozen=True)
class LpTree(Exact):
    """A tree of LPs over the pieces of the network's kinks, every leaf closed by a safe dual bound."""

    name = "lp-tree"
    bounding: Method = field(default_factory=Crown)

    def clause(self, question: Question, encoder: Encoder, rows: list[int]) -> Verdict:
        return Tree(question.program(encoder, rows), question).run(sys.maxsize)


@dataclass(frozen=True)
class Sdp(Exact):
    """The semidefinite relaxation (Raghunathan et al. 2018) for dense networks of at most `most` inputs and undecided
    neurons; its bound is re-derived from the dual matrix. `solver` is one of cvxpy's: CLARABEL or SCS."""

    name = "sdp"
    most: int = 200
    solver: str = "CLARABEL"

    def clause(self, question: Question, encoder: Encoder, rows: list[int]) -> Verdict:
        """A row that is positive everywhere decides its clause."""
        from verifier.complete.exact.sdp import proven, quadratic, suggested

        best = -np.inf
        for row in rows:
            asked = quadratic(encoder, question.program(encoder, [row]))
            if asked.variables > self.most:
                detail = f"{asked.variables} inputs and undecided neurons; this method takes at most {self.most}"
                return Unknown(Reason.UNSUPPORTED, best, self.name, detail)
            multipliers = suggested(asked, question.work.seconds, self.solver)
            if multipliers is not None:
                best = max(best, proven(asked, multipliers))
            if best > 0:
                return Verified(best, self.name)
        return Unknown(Reason.LOOSE if np.isfinite(best) else Reason.SOLVER, best, self.name)


@dataclass(frozen=True)
class Milp(Exact):
    """The network as a mixed-integer program (Tjeng et al. 2019).

    First a tree of LPs of our own, of `few` nodes and for a part of the time, whose leaves have safe dual bounds: what
    it proves is re-derived.
    Then `solver`, whose bound is its word only, and the verdict would say so; after it the tree gets the chance to
    prove the same with up to `nodes` nodes, as long as it takes `patience` times the solver's time.
    """

    name = "milp"
    solver: Solver = field(default_factory=Highs)
    tightening: Tightening | None = field(default_factory=Tightening)
    few: int = 2000
    nodes: int = 10**6
    patience: float = 4.0

    def encode(self, question: Question) -> Encoder:
        return tightened(question, self.tightening)

    def clause(self, question: Question, encoder: Encoder, rows: list[int]) -> Verdict:
        program = question.program(encoder, rows)
        tree = Tree(program, question)
        first = tree.run(min(self.few, self.nodes), time.monotonic() + TURN * question.work.seconds)
        if not isinstance(first, Unknown) or question.work.late():
            return first
        start = time.monotonic()
        word = self._ask(question, encoder, program)
        if not isinstance(word, Verified):
            return word
        until = min(question.work.deadline, time.monotonic() + self.patience * (time.monotonic() - start) + 1.0)
        question.work.note(f"{self.name}: {self.solver.name} proved it; re-deriving")
        proof = tree.run(self.nodes, until)
        return word if isinstance(proof, Unknown) else proof

    def _ask(self, question: Question, encoder: Encoder, program: Program) -> Verdict:
        """The solver's word, with the margin that its tolerance demands."""
        answer = self.solver(program, question.work.seconds, stop_above=2 * TOLERANCE * scale(program))
        if found := question.refute(answer.point):
            return found
        if answer.status in (Status.OPTIMAL, Status.LIMIT) and TOLERANCE * scale(program) < answer.bound < np.inf:
            return Verified(answer.bound, self.name, Trust.SOLVER)
        late = question.work.late()
        reason = Reason.TIME if late else _reason(answer.status, answer.bound, encoder.exact)
        return Unknown(reason, answer.bound, self.name, answer.status.value)


def scale(program: Program) -> float:
    """What tolerances are relative to: the size of the objective's largest term, at least 1."""
    reach = np.maximum(np.abs(program.lower), np.abs(program.upper))
    return float(max(1.0, (np.abs(program.cost) * reach).max(initial=0.0)))


def _reason(status: Status, bound: float, exact: bool) -> Reason:
    """Why an answer in time decides nothing. A point of an exact program that no replay confirms is a close call."""
    match status:
        case Status.OPTIMAL | Status.LIMIT:
            return Reason.NUMERICS if exact or bound > 0 else Reason.LOOSE
        case Status.INFEASIBLE | Status.FAILED:
            return Reason.SOLVER
    raise TypeError(f"no reason is known for {status}")


def tightened(question: Question, tightening: Tightening | None) -> Encoder:
    """The encoded network, undecided neurons tightened on the way."""
    encoder = question.encoder()
    if tightening is not None:
        encoder.tighten = tightening.of(question.work)
    return encoder.run()
