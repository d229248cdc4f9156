"""Refined intervals hold wherever a domain's row is broken, and lies about them are noticed."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case, points
from laws.searches import (
    Puzzle,
    best_rows,
    law_points,
    law_truth,
    problem,
    random_domains,
    relaxed,
    site_values,
    truth,
    within,
    work,
)
from laws.strategies import EVERYTHING, examples
from test_search_laws import puzzles
from torch import Generator, Tensor

from verifier.complete import refine
from verifier.complete.bab import Bab
from verifier.complete.domains import roots
from verifier.complete.refine import NEAR, Forms, Refinement, half_below
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Constant, Linear
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified

Patch = pytest.MonkeyPatch
LATER = time.monotonic() + 3600
MLP = ("linear", "relu", "linear", "relu")


def law_refined(case: Case, seed: int, deployed: torch.dtype | None = None) -> int:
    """No point that breaks the row of a domain is lost; how many ends became tighter."""
    asked, gen = relaxed(case, deployed=deployed), Generator().manual_seed(seed)
    x = torch.cat(points(case, seed, 24))
    values, y = site_values(asked, case.graph, x), case.graph(x)
    if not values.shape[1]:
        return 0
    domains = random_domains(asked, values[:12], 2, gen)
    domains = replace(domains, beta=domains.beta * 1e-3)
    nothing = torch.full((len(domains), asked.count), torch.inf, dtype=torch.half)
    domains = replace(domains, lower=-nothing, upper=nothing)
    rank = best_rows(asked, domains, y)
    lowest = torch.stack(
        [
            rank[domains.clause == k].amin() if (domains.clause == k).any() else y.new_zeros(())
            for k in range(len(asked.proving.rows))
        ]
    )
    less = lowest + 1e-3 * lowest.abs()
    asked.proving.offset = asked.proving.offset - less.unsqueeze(1)  # broken, but only just
    found = Refinement(asked, 2**24, LATER)(domains, torch.rand(len(domains), asked.count, generator=gen))
    tight, empty = found.domains, found.empty
    broken = within(domains, values) & (best_rows(asked, domains, y) <= 0)
    assert not bool((broken.any(1) & empty).any()), "a domain with a broken point was called empty"
    lower, upper = (end.unsqueeze(1) for end in asked.proving.ends(tight))
    slack = 1e-12 * (1 + values.abs())
    outside = ((values < lower - slack) | (values > upper + slack)).any(2)
    assert not bool((broken & outside).any()), "a broken point lies outside of the refined intervals"
    before = asked.proving.ends(domains)
    return int((lower[:, 0] > before[0]).sum() + (upper[:, 0] < before[1]).sum())


@examples(60)
@given(puzzles(EVERYTHING, ("linf", "feature", "box", "pixel")), st.integers(0, 99))
def test_what_breaks_a_row_stays(puzzle: Puzzle, seed: int) -> None:
    law_refined(puzzle.case(), seed)


@examples(20)
@given(puzzles(EVERYTHING, ("linf", "box")), st.integers(0, 99))
def test_rounding_of_a_deployed_network_counts(puzzle: Puzzle, seed: int) -> None:
    law_refined(puzzle.case(), seed, torch.float32)


def case(seed: int) -> Case:
    return Puzzle((3,), MLP, seed, 1.0, "box", 1.0, (0, 0, 1, 2), (), -0.05).case()


def on_eight() -> int:
    return sum(law_refined(case(seed), seed) for seed in range(8))


def test_refining_refines() -> None:
    assert on_eight() > 100


Found = tuple[Tensor, Tensor, Tensor]
Where = Callable[[Forms, Forms], Found]


def tilted(self: Forms, other: Forms, honest: Where) -> Found:
    return honest(self, replace(other, slope=-other.slope))


def moved(self: Forms, other: Forms, honest: Where) -> Found:
    return honest(self, replace(other, center=other.center + other.size))


def swapped(self: Forms, other: Forms, honest: Where) -> Found:
    least, *how = honest(self, other)
    return least.roll(1, 1), *how


def of_the_next(self: Forms, other: Forms, honest: Where) -> Found:
    least, *how = honest(self, other)
    return least.roll(1, 0), *how


@pytest.mark.parametrize("lie", [tilted, moved, swapped, of_the_next])
def test_mutants(lie: Callable[..., Found], monkeypatch: Patch) -> None:
    honest = Forms.where
    monkeypatch.setattr(Forms, "where", lambda self, other: lie(self, other, honest))
    with pytest.raises(AssertionError):
        on_eight()


def test_intervals_rounded_inwards(monkeypatch: Patch) -> None:
    monkeypatch.setattr(refine, "half_below", lambda x: -half_below(-x))
    with pytest.raises(AssertionError):
        on_eight()


def test_half_precision_is_rounded_downwards() -> None:
    x = torch.cat([torch.randn(1000, dtype=torch.float64) * 10.0**k for k in range(-9, 9)])
    half = half_below(x)
    assert bool((half.double() <= x).all())
    near = (x.abs() < 6e4) & (x.abs() > 1e-4)
    assert bool(((x - half.double())[near] <= 1e-3 * x.abs()[near]).all())


def test_a_refined_proof_claims_no_margin(monkeypatch: Patch) -> None:
    """Tighter intervals hold only where the row is broken: that nothing is left there says nothing of elsewhere."""
    margins = []
    for seed in range(25):
        asked = Puzzle((3,), MLP, seed, 1.0, "box", 1.0, (0,), (), 1e-3).case()
        verdict = Bab()(problem(asked), work(5.0, 200))[0]
        law_truth(truth(asked), verdict)
        margins += [verdict.margin] if isinstance(verdict, Verified) else []
    assert 0.0 in margins
    assert max(margins) > 0.0


@pytest.mark.parametrize(("bytes", "deadline"), [(1, LATER), (2**24, 0.0)], ids=["memory", "time"])
def test_nothing_is_refined_without_memory_or_time_for_forms(bytes: int, deadline: float) -> None:
    asked = relaxed(case(1))
    nothing = torch.full((1, asked.count), torch.inf, dtype=torch.half)
    root = roots(torch.tensor([0]), torch.ones(1, asked.proving.rows.shape[1]), asked.start)
    view = asked.view(replace(root, lower=-nothing, upper=nothing))
    view = replace(view, bound=torch.full_like(view.bound, -1e-9))
    assert bool((Refinement(asked, 2**24, LATER).lacks(view) < NEAR).all())
    assert bool(Refinement(asked, bytes, deadline).lacks(view).isposinf().all())


def test_a_row_that_no_input_reaches() -> None:
    """Rounding leaves a ReLU of constants open: there is something to cut, and nothing to refine."""
    build = Builder("x", (2,))
    name = build.add(Constant(torch.tensor([0.1, -0.3, 0.2], dtype=torch.float64)), name="numbers")
    name = build.add(Linear(torch.ones(1, 3, dtype=torch.float64)), name, name="sum")  # zero but for rounding
    graph = build.finish(build.add(Relu(), name, name="relu"), {})
    ends, ones = torch.ones(1, 2, dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.float64)
    asked = Case(graph, box(-ends, ends), Specification(ones, torch.full((1, 1), -1e-20, dtype=torch.float64), (0,)))
    law_points(problem(asked), Bab()(problem(asked), work(5.0, 10)), 0)
