"""Sharpened intervals hold at every point, lie within those that were known, and lies about them are noticed."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case, inside, points
from laws.containment import node_values
from laws.searches import Puzzle, law_truth, problem, relaxed, truth, work
from laws.strategies import EVERYTHING, examples
from test_search_laws import puzzles
from torch import Tensor

from verifier.bounding.methods import Crown
from verifier.complete import bab, sharpen
from verifier.complete.bab import ActivationSearch, Bab
from verifier.complete.domain_tree import DomainTree
from verifier.complete.domains import Domains
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Work
from verifier.complete.sharpen import Sharpening
from verifier.interval import Interval
from verifier.problem import Problem

Patch = pytest.MonkeyPatch
MLP = ("linear", "relu", "linear", "relu", "linear", "relu")


def law_sharpened(case: Case, seed: int) -> int:
    """What no point leaves, and no end is looser than it was; how many ends became tighter."""
    table, better = sharpened(case)
    for x in points(case, seed, 24):
        law_inside(table, node_values(case.graph, x), 1e-12)
    return better


def law_computed(case: Case, seed: int) -> int:
    """The same of every node as it is computed in float32, with no tolerance at all."""
    short = case.graph.to(torch.float32)
    case = Case(short.to(torch.float64), case.region, case.specification)
    table, better = sharpened(case, torch.float32)
    for x in points(case, seed, 24):
        inputs = x.float()
        values = node_values(short, inputs[inside(case, inputs.double())])
        law_inside(table, {name: value.double() for name, value in values.items()}, 0.0)
    return better


def sharpened(case: Case, deployed: torch.dtype | None = None) -> tuple[dict[str, Interval], int]:
    """Intervals, none of them looser than those that were known, and how many ends are tighter."""
    asked = relaxed(case, deployed=deployed)
    known, better = asked.proving.state.table, 0
    table = Sharpening(rounds=3)(asked, torch.arange(asked.count).double(), work())
    for name, interval in table.items():
        assert bool((interval.lower >= known[name].lower).all() and (interval.upper <= known[name].upper).all())
        better += int((interval.lower > known[name].lower).sum() + (interval.upper < known[name].upper).sum())
    return table, better


def law_inside(table: dict[str, Interval], values: dict[str, Tensor], noise: float) -> None:
    for name, value in values.items():
        slack = noise * (1 + value.abs())
        within = (value >= table[name].lower - slack) & (value <= table[name].upper + slack)
        assert bool(within.all()), f"a point leaves the interval of {name}"


@examples(40)
@given(puzzles(EVERYTHING, ("linf", "feature", "box", "pixel", "l2")), st.integers(0, 99))
def test_no_point_leaves(puzzle: Puzzle, seed: int) -> None:
    law_sharpened(puzzle.case(), seed)


@examples(40)
@given(puzzles(EVERYTHING, ("linf", "box")), st.integers(0, 99))
def test_nothing_that_is_computed_leaves(puzzle: Puzzle, seed: int) -> None:
    law_computed(puzzle.case(), seed)


def case(seed: int) -> Case:
    return Puzzle((3,), MLP, seed, 1.0, "box", 1.0, (0, 1), (), -0.05).case()


def on_eight() -> int:
    return sum(law_sharpened(case(seed), seed) for seed in range(8))


def test_sharpening_sharpens() -> None:
    assert on_eight() > 100


def test_a_node_that_is_linear_everywhere() -> None:
    """So it is found to be by the intervals of sharpened nodes before it."""
    layers = ("cancel", "abs", "constant", "clip", "ceil", "gather")
    law_sharpened(Puzzle((1, 2, 3, 5), layers, 676381, 3.0, "box", 1.0, (0, 1), (), -0.05).case(), 1)


def test_nothing_changes_without_time() -> None:
    asked = relaxed(case(1))
    table = Sharpening()(asked, torch.zeros(asked.count), Work(0.0))
    known = asked.proving.state.table
    assert all(torch.equal(table[name].lower, known[name].lower) for name in table)


def one_child(self: Domains, place: Tensor, point: Tensor, honest: Callable[..., Domains]) -> Domains:
    children = honest(self, place, point)
    return children[torch.arange(len(self))]


def test_a_child_that_is_lost(monkeypatch: Patch) -> None:
    honest = Domains.cut

    def searched(self: sharpen._Run, *rest: object) -> Tensor:
        with monkeypatch.context() as patch:
            patch.setattr(Domains, "cut", lambda domains, place, point: one_child(domains, place, point, honest))
            return truly(self, *rest)  # type: ignore[arg-type]

    truly = sharpen._Run._searched
    monkeypatch.setattr(sharpen._Run, "_searched", searched)
    with pytest.raises((AssertionError, ArithmeticError)):
        on_eight()


def test_the_greatest_bound_of_leaves(monkeypatch: Patch) -> None:
    def greatest(clause: Tensor, bound: Tensor, count: int) -> Tensor:
        return torch.full((count,), -torch.inf, dtype=bound.dtype).scatter_reduce(0, clause, bound, "amax")

    monkeypatch.setattr(sharpen, "least", greatest)
    with pytest.raises((AssertionError, ArithmeticError)):
        on_eight()


def test_ends_of_the_next_entry(monkeypatch: Patch) -> None:
    honest = sharpen._Run._with

    def swapped(self: sharpen._Run, name: str, index: Tensor, least: Tensor) -> Interval:
        return honest(self, name, index, least.roll(1))

    monkeypatch.setattr(sharpen._Run, "_with", swapped)
    with pytest.raises((AssertionError, ArithmeticError)):
        on_eight()


def test_what_the_search_believes_is_no_proof(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Relaxed, "proved", lambda self, domains: domains.bound + 0.05)
    with pytest.raises((AssertionError, ArithmeticError)):
        on_eight()


def test_what_only_holds_of_the_reals(monkeypatch: Patch) -> None:
    def real(asked: Problem, table: dict[str, Interval], dtype: torch.dtype, _: object, device: str) -> Relaxed:
        return Relaxed(asked, table, dtype, None, device)

    monkeypatch.setattr(sharpen, "Relaxed", real)
    with pytest.raises((AssertionError, ArithmeticError)):
        sum(law_computed(case(seed), seed) for seed in range(8))


def test_branch_and_bound_starts_again_with_what_was_sharpened(monkeypatch: Patch) -> None:
    """Whatever the turns, the answer is the truth."""
    monkeypatch.setattr(bab, "PATIENCE", 0.0)
    monkeypatch.setattr(bab, "WAIT", 0.0)
    monkeypatch.setattr(bab, "LEAST", 1)
    weak, begun = Bab(root=Crown(), first=1, steps=0, batch=1), list[int]()
    begin = ActivationSearch._tree

    def begins(self: ActivationSearch, *args: object) -> DomainTree:
        begun.append(self.done)
        return begin(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(ActivationSearch, "_tree", begins)
    for seed in range(5):
        asked = Puzzle((5,), MLP, seed, 1.0, "box", 1.0, (0, 1), (), 1e-3).case()
        law_truth(truth(asked), weak(problem(asked), work(5.0, 200))[0])
    assert any(done > 0 for done in begun), "nothing was started again"
