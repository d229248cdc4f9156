"""The searches that a user can name: verdicts agree with brute force, with each other, and with replayed points."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from complete_cases import encoded, margin, of_clause, one_row, open_case, problem, program, small
from hypothesis import assume, given, settings
from laws.strategies import Recipe, recipes

from verifier.bounding.methods import Crown, Ibp
from verifier.complete.exact.encode import Encoder
from verifier.complete.exact.highs import Highs
from verifier.complete.exact.lipschitz import Lipschitz
from verifier.complete.exact.matrix import matrices
from verifier.complete.exact.program import Answer, Program, Status
from verifier.complete.exact.safe import infeasible, lower_bound
from verifier.complete.exact.search import Lp, Milp, Sdp
from verifier.complete.exact.through_pulp import Pulp
from verifier.complete.search import Search, Work
from verifier.errors import InputError, UnsupportedModel
from verifier.graph.ops.shape import Reshape
from verifier.verdict import Falsified, Reason, Trust, Unknown, Verified

KINDS = ("linear", "relu", "relu", "prelu", "clip", "abs", "max", "branches")
SMALL = ((2,), (3,), (1, 3))
CASES = recipes(KINDS, ("linf", "box"), SMALL, batch=2, depth=4)
CLOSE = 1e-5


def work(seconds: float = 60.0) -> Work:
    return Work(time.monotonic() + seconds)


SEARCHES = [Milp(bounding=Crown()), Milp(bounding=Ibp(), few=1), Lp(), Sdp(bounding=Ibp()), Lipschitz()]


@settings(max_examples=12, deadline=None)
@given(CASES)
def test_verdicts_agree_with_brute_force(recipe: Recipe) -> None:
    """Also conjunctions and disjunctions: what is verified holds, what is falsified does not, and MILP decides."""
    case = recipe.case(0.4)
    assume(int(encoded(case.select(torch.tensor([0])), Ibp()).build.integer.sum()) <= 6)
    true = margin(case)
    for search in SEARCHES:
        verdict = search(problem(case), work())[0]
        if isinstance(verdict, Verified):
            assert true > 0
            assert verdict.margin <= true + CLOSE * max(1.0, abs(true))
        elif isinstance(verdict, Falsified):
            assert true <= 1e-9
        elif isinstance(search, Milp):
            assert abs(true) < CLOSE * max(1.0, abs(true)) or true < 0, verdict  # float32 may miss a thin violation
            assert not true < -1e-3 * max(1.0, abs(true)), verdict


@settings(max_examples=20, deadline=None)
@given(CASES)
def test_the_tree_alone_proves_what_holds(recipe: Recipe) -> None:
    """Every `Verified` of a tree that ended is re-derived."""
    case = recipe.case(0.4)
    verdict = Milp(bounding=Ibp(), tightening=None, few=10**6)(problem(case), work())[0]
    if isinstance(verdict, Verified):
        assert verdict.trust is Trust.RECHECKED


def test_the_solver_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """On stdout there are results only."""
    Milp(bounding=Ibp(), tightening=None, few=0)(problem(small()), work())
    assert capfd.readouterr().out == ""


@settings(max_examples=15, deadline=None)
@given(recipes(KINDS, ("linf",), SMALL, batch=1, depth=3))
def test_solvers_agree(recipe: Recipe) -> None:
    case = recipe.case(0.4)
    asked = one_row(case, encoded(case))
    answers = [solver(asked, 30.0) for solver in (Highs(), Pulp("highs"), Pulp("cbc"))]
    for answer in answers[1:]:
        assert answer.point is not None
        value = float(asked.cost @ answer.point + asked.constant)
        assert answer.bound <= value + 1e-4 * max(1.0, abs(value))
        if answers[0].status is Status.OPTIMAL:
            assert value == pytest.approx(answers[0].bound, abs=1e-3 * max(1.0, abs(value)))


@settings(max_examples=20, deadline=None)
@given(recipes(KINDS, ("linf", "box"), SMALL, batch=1, depth=5))
def test_tightening_only_tightens(recipe: Recipe) -> None:
    """Intervals of a tightened encoder lie in the proven ones and still hold every point."""
    case = recipe.case(0.4)
    loose, tight = encoded(case, Ibp()), encoded(case, Ibp(), tighten=True)
    x = torch.stack([case.region.sample(torch.Generator().manual_seed(s), torch.float64)[0] for s in range(16)])
    for name, interval in tight.table.items():
        known = loose.table[name]
        assert bool(((interval.lower >= known.lower) & (interval.upper <= known.upper)).all())
        if name in case.graph.by_name and name != case.graph.input.name:
            value = case.graph.until(name)(x)
            slack = 1e-12 * value.abs()
            assert bool(((value >= interval.lower - slack) & (value <= interval.upper + slack)).all())
    clause = of_clause(case, 0)
    before, after = (Highs()(program(case, e, clause).relaxed(), 30.0).bound for e in (loose, tight))
    assert before <= after + CLOSE * max(1.0, abs(after))


def test_no_time_is_unknown() -> None:
    for search in SEARCHES:
        verdict = search(problem(small()), work(-1.0))[0]
        assert isinstance(verdict, Unknown)
        assert verdict.reason is Reason.TIME


def test_what_has_no_exact_encoding_stays_sound() -> None:
    case = small(layers=("linear", "tanh", "linear", "relu"))
    assert not encoded(case).exact
    for search in SEARCHES:
        verdict = search(problem(case), work())[0]
        assert isinstance(verdict, Verified | Falsified | Unknown)


def test_a_step_has_no_lipschitz_bound() -> None:
    verdict = Lipschitz()(problem(small(layers=("linear", "sign"))), work())[0]
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.UNSUPPORTED


def test_a_semidefinite_program_too_large_is_refused() -> None:
    found = [Sdp(bounding=Ibp(), most=2)(problem(small(seed)), work())[0] for seed in range(5)]
    assert any(isinstance(v, Unknown) and v.reason is Reason.UNSUPPORTED and "at most 2" in v.detail for v in found)


def test_an_unknown_solver_is_named() -> None:
    with pytest.raises(InputError, match="there are highs"):
        Pulp("oracle")


class Lying:
    """A solver that always claims a positive bound, or that there is no point at all."""

    name = "liar"

    def __init__(self, status: Status, bound: float) -> None:
        self.answer = Answer(status, bound)

    def __call__(self, program: Program, seconds: float, stop_above: float = np.inf) -> Answer:
        return self.answer


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.FAILED])
def test_12_a_solver_that_finds_no_point_proves_nothing(status: Status) -> None:
    verdict = Milp(bounding=Ibp(), solver=Lying(status, np.inf), few=0, nodes=0)(problem(open_case()), work())[0]
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.SOLVER


def test_10_a_bound_within_tolerance_proves_nothing() -> None:
    verdict = Milp(bounding=Ibp(), solver=Lying(Status.OPTIMAL, 5e-7), few=0, nodes=0)(problem(open_case()), work())[0]
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.NUMERICS


def test_a_solvers_word_is_marked() -> None:
    verdict = Milp(bounding=Ibp(), solver=Lying(Status.LIMIT, 0.5), few=0, nodes=0)(problem(open_case()), work())[0]
    assert isinstance(verdict, Verified)
    assert verdict.trust is Trust.SOLVER


def test_12_infeasible_needs_a_ray() -> None:
    """Rows that a solver's tolerance calls empty, and that are not; and rows that are."""
    from scipy import sparse

    def rows_between(low: float, high: float) -> Program:
        one, matrix = np.ones(1), sparse.csr_array(np.array([[1.0], [1.0]]))
        sides = np.array([low, -np.inf]), np.array([np.inf, high])
        return Program(0 * one, 0.0, 0 * one, one, matrix, *sides, np.zeros(2), np.zeros(1, dtype=bool))

    assert infeasible(rows_between(0.6, 0.5), np.array([1.0, -1.0]))
    assert not infeasible(rows_between(0.5, 0.5), np.array([1.0, -1.0]))
    assert not infeasible(rows_between(0.6, 0.5), np.array([1.0, 0.0]))
    assert not infeasible(rows_between(0.5 + 2.0**-53, 0.5), np.array([1.0, -1.0]) * 1e-3)
    wide = rows_between(0.6, 0.5)
    assert not infeasible(replace(wide, slack=0.1 * np.ones(2)), np.array([1.0, -1.0]))
    assert lower_bound(wide, np.array([np.nan, np.inf])) <= 0


def test_each_search_is_a_search() -> None:
    assert all(isinstance(s, Search) for s in SEARCHES)
    assert {s.name for s in SEARCHES} == {"milp", "lp", "sdp", "lipschitz"}


def test_time_that_ends_while_encoding_is_unknown() -> None:
    late = iter([False, False, True])
    encoder = Encoder((case := open_case()).graph, case.region, encoded(case, Ibp()).table, stop=lambda: next(late))
    with pytest.raises(TimeoutError):
        encoder.run()


def test_a_matrix_too_large_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="too large"):
        matrices(Reshape((2**16,)), [torch.Size((2**16,))], torch.Size((2**16,)))
