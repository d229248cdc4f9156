"""Mutants 10, 11 and 12: tolerances believed, variables of another formulation, infeasibility from a fragile test.

Every law first holds without the bug.
"""

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from complete_cases import encoded, least_at_points, one_row, open_case, problem
from laws.cases import Case
from laws.strategies import Recipe
from scipy import sparse

from verifier.bounding.methods import Ibp
from verifier.complete.exact import encode, pieces, safe, sdp, search, tree
from verifier.complete.exact.builder import ProgramBuilder
from verifier.complete.exact.highs import Highs, LpRelaxation
from verifier.complete.exact.program import Answer, Program, Status
from verifier.complete.exact.safe import lower_bound
from verifier.complete.exact.search import Lp, Milp
from verifier.complete.search import Work
from verifier.verdict import Verified

Patch = pytest.MonkeyPatch


def fails(law: Callable[[], None], mutate: Callable[[], None]) -> None:
    law()
    mutate()
    with pytest.raises(AssertionError):
        law()


def exact_bound(program: Program, y: np.ndarray) -> Fraction:
    """What multipliers prove, without rounding."""
    a = program.matrix.toarray()
    total = Fraction(program.constant)
    for value, low, high in zip(y, program.row_lower, program.row_upper, strict=True):
        side = low if value > 0 else high
        total += Fraction(float(value)) * Fraction(float(side)) if value else 0
    for j, (low, high) in enumerate(zip(program.lower, program.upper, strict=True)):
        pushed = sum(Fraction(float(v)) * Fraction(float(w)) for v, w in zip(y, a[:, j], strict=True))
        reduced = Fraction(float(program.cost[j])) - pushed
        total += min(reduced * Fraction(float(low)), reduced * Fraction(float(high)))
    return total


def law_rounded_down() -> None:
    """A safe bound is at most the exact one, on programs whose exact bound is hard to hit."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, m = 6, 5
        low = rng.standard_normal(n)
        program = Program(
            rng.standard_normal(n), 0.1, low, low + rng.random(n), sparse.csr_array(rng.standard_normal((m, n))),
            rng.standard_normal(m), np.full(m, 9.1), np.zeros(m), np.zeros(n, dtype=bool),
        )  # fmt: skip
        y = rng.standard_normal(m)
        assert Fraction(lower_bound(program, y)) <= exact_bound(program, y)


def test_10_rounding_of_a_dual_bound_forgotten(monkeypatch: Patch) -> None:
    def careless() -> None:
        monkeypatch.setattr(safe, "rounding", lambda terms: 0.0)
        monkeypatch.setattr(safe, "TINY", 0.0)

    fails(law_rounded_down, careless)


def cases(layers: tuple[str, ...]) -> list[tuple[int, Case]]:
    return [(s, Recipe((3,), layers, s, 1.0, "linf", 1, (0, 1, 2, 3)).case(0.4)) for s in range(6)]


def law_below_points(layers: tuple[str, ...]) -> Callable[[], None]:
    """MILP and safe LP bounds do not exceed points."""

    def law() -> None:
        for seed, case in cases(layers):
            program = one_row(case, encoded(case, Ibp()))
            least = least_at_points(case, seed)
            answer = Highs()(program.relaxed(), 30.0)
            assert answer.status is Status.OPTIMAL
            assert answer.multipliers is not None
            assert lower_bound(program, answer.multipliers) <= least + 1e-9
            exact = Highs()(program, 30.0)
            assert exact.status is not Status.INFEASIBLE
            assert exact.bound <= least + 1e-6

    return law


def test_10_the_solvers_value_believed(monkeypatch: Patch) -> None:
    """A solver whose value and multipliers are off by its tolerance, and more: the proof does not follow it."""
    solve = LpRelaxation.solve

    def off(self: LpRelaxation, seconds: float) -> Answer:
        answer = solve(self, seconds)
        assert answer.multipliers is not None
        return Answer(answer.status, answer.bound + 2.0, answer.point, answer.multipliers * (1 + 1e-3))

    monkeypatch.setattr(LpRelaxation, "solve", off)

    def law() -> None:
        verdict = Lp(bounding=Ibp())(problem(open_case()), Work(time.monotonic() + 30))[0]
        assert not isinstance(verdict, Verified)

    def believing() -> None:
        monkeypatch.setattr(search, "lower_bound", lambda program, y: Highs()(program.relaxed(), 30.0).bound + 2.0)

    fails(law, believing)


def test_11_variables_of_another_formulation(monkeypatch: Patch) -> None:
    """A kink that reads the columns of its neighbours."""
    original = encode.add_kinks

    def neighbours(
        build: ProgramBuilder, x: np.ndarray, y: np.ndarray, left: pieces.Line, right: pieces.Line
    ) -> pieces.Kinks:
        return original(build, np.roll(x, 1), y, left, right)

    fails(
        law_below_points(("linear", "relu", "linear", "relu")),
        lambda: monkeypatch.setattr(encode, "add_kinks", neighbours),
    )


def test_11_a_definition_lost(monkeypatch: Patch) -> None:
    """Columns that are defined as another node's entries."""
    original = ProgramBuilder.define

    def shifted(self: ProgramBuilder, form: object, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        return np.roll(original(self, form, lower, upper), 1)  # type: ignore[arg-type]

    fails(law_below_points(("linear", "relu")), lambda: monkeypatch.setattr(ProgramBuilder, "define", shifted))


def test_big_m_too_small(monkeypatch: Patch) -> None:
    original = pieces.above

    def half(*args: np.ndarray) -> np.ndarray:
        return original(*args) / 2

    fails(law_below_points(("linear", "relu")), lambda: monkeypatch.setattr(pieces, "above", half))


def test_12_infeasible_because_the_solver_says_so(monkeypatch: Patch) -> None:
    """A solver that finds every subproblem infeasible, with a ray that shows nothing."""

    def empty(self: LpRelaxation, seconds: float) -> Answer:
        return Answer(Status.INFEASIBLE, np.inf, None, np.full(len(self.program.row_lower), 1e-12))

    monkeypatch.setattr(LpRelaxation, "solve", empty)
    method = Milp(bounding=Ibp(), tightening=None, few=10**6)

    def law() -> None:
        verdict = method(problem(open_case()), Work(time.monotonic() + 30))[0]
        assert not isinstance(verdict, Verified)

    fails(law, lambda: monkeypatch.setattr(tree, "infeasible", lambda program, ray: True))


def test_eigenvalues_believed(monkeypatch: Patch) -> None:
    """A semidefinite dual whose matrix is not definite proves only what its least eigenvalue leaves."""
    generator = np.random.default_rng(0)

    def law() -> None:
        for seed, case in cases(("linear", "relu")):
            asked = sdp.quadratic(encoder := encoded(case, Ibp()), one_row(case, encoder))
            k, r = len(asked.first.values), len(asked.rows.values)
            noise = [generator.random(n) for n in (k, k, k, asked.variables, r)]
            assert sdp.proven(asked, sdp.Multipliers(10.0, *noise)) <= least_at_points(case, seed) + 1e-9

    fails(law, lambda: monkeypatch.setattr(sdp, "least_eigenvalue", lambda matrix: 0.0))
