"""Domains and boxes: whatever a search chooses, nothing is lost and nothing is proved that is not so."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case, points
from laws.exact import exact_rows, exact_values
from laws.searches import (
    Puzzle,
    law_children,
    law_clipping,
    law_domains,
    law_domains_exact,
    law_optimised,
    random_boxes,
    random_domains,
    relaxed,
    sampled,
    site_values,
    specification,
)
from laws.strategies import EVERYTHING, STRAIGHT, examples
from test_search_laws import puzzles
from torch import Generator

from verifier.bounding.methods import Crown, Ibp, Method
from verifier.bounding.notes import LEVELS, packed, unpacked
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.boxes import Boxes, whole
from verifier.complete.clip import clipped
from verifier.graph.build import Builder
from verifier.graph.graph import Graph, Node
from verifier.graph.ops.activation import Clip, Relu, Sign
from verifier.graph.ops.dense import Linear
from verifier.regions import box

MLP = ("linear", "relu", "linear", "relu")


@examples(60)
@given(puzzles(EVERYTHING), st.integers(0, 99), st.integers(0, 4))
def test_any_multipliers_prove(puzzle: Puzzle, seed: int, depth: int) -> None:
    """Any cuts, multipliers, slopes and weights; regions of every kind."""
    law_domains(puzzle.case(), seed, depth)


@examples(60)
@given(puzzles((*STRAIGHT, "sign", "floor", "round"), depth=3), st.integers(0, 99), st.integers(0, 3))
def test_any_multipliers_prove_in_rational_arithmetic(puzzle: Puzzle, seed: int, depth: int) -> None:
    law_domains_exact(puzzle.case(), seed, depth)


@examples(30)
@given(puzzles(STRAIGHT, ("point", "pixel"), depth=3), st.integers(0, 99), st.sampled_from([0.0, 1e-9, 1e-6]))
def test_tiny_regions_in_rational_arithmetic(puzzle: Puzzle, seed: int, size: float) -> None:
    """Where a region is a point or nearly so, rounding is all there is."""
    law_domains_exact(replace(puzzle, size=size).case(), seed, 2)


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e-170, 1e30])
@examples(10)
@given(puzzles(STRAIGHT, depth=3), st.integers(0, 99))
def test_scales_in_rational_arithmetic(scale: float, puzzle: Puzzle, seed: int) -> None:
    law_domains_exact(replace(puzzle, scale=scale).case(), seed, 2)


@examples(40)
@given(puzzles(EVERYTHING), st.integers(0, 99), st.integers(0, 3))
def test_the_deployed_network_lies_in_its_domains(puzzle: Puzzle, seed: int, depth: int) -> None:
    """Values and cuts as float32 computes them."""
    law_domains(puzzle.case(), seed, depth, deployed=torch.float32)


@examples(30)
@given(puzzles(EVERYTHING), st.integers(0, 99))
def test_children_cover_their_parent(puzzle: Puzzle, seed: int) -> None:
    law_children(puzzle.case(), seed)


@examples(20)
@given(puzzles(EVERYTHING), st.integers(0, 99), st.integers(1, 3))
def test_company_does_not_change_a_proof(puzzle: Puzzle, seed: int, depth: int) -> None:
    """A domain alone, or deeper with empty cuts, or among others: the same bound up to rounding."""
    case = puzzle.case()
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    domains = random_domains(asked, site_values(asked, case.graph, torch.cat(points(case, seed, 2))), depth, gen)
    domains = replace(domains, beta=domains.beta.clamp(max=1.0))
    together = asked.proved(domains)
    deep = asked.proved(domains.deepened(depth + 5))
    assert torch.allclose(together, deep, rtol=1e-7, atol=1e-7, equal_nan=True)
    for n in range(0, len(domains), 7):
        alone = asked.proved(domains[torch.tensor([n])])
        assert torch.allclose(together[n : n + 1], alone, rtol=1e-7, atol=1e-7, equal_nan=True)


@examples(20)
@given(puzzles(EVERYTHING, margins=(-0.1, 0.1)), st.integers(0, 99))
def test_optimised_is_no_worse_and_keeps_its_promises(puzzle: Puzzle, seed: int) -> None:
    law_optimised(puzzle.case(), seed)


def test_what_a_walk_never_meets_is_not_cut() -> None:
    """A node behind the output: what its multiplier adds would never be subtracted, and any bound could be had."""
    builder = Builder("x", (2,))
    at = builder.add(Relu(), builder.input, name="relu")
    out = builder.add(Linear(torch.ones(1, 2).double()), at, name="out")
    graph = builder.finish(out, {})
    one = torch.tensor(1.0, dtype=torch.float64)
    dead = (Node("shift", Linear(torch.eye(2).double()), ("x",), (2,)), Node("clip", Clip(-one, one), ("shift",), (2,)))
    graph = replace(graph, nodes=(*graph.nodes, *dead))
    asked = specification(torch.tensor([[-1.0]]), torch.tensor([0.1]), (0,))
    case = Case(graph, box(-2 * torch.ones(1, 2), 2 * torch.ones(1, 2)), asked)
    assert {site.name for site in relaxed(case).sites} == {"x"}
    for seed in range(5):
        law_domains(case, seed, 3)


def test_shares_are_bytes() -> None:
    share = torch.linspace(0, 1, 1000)
    assert bool(((unpacked(packed(share), torch.float32) - share).abs() <= 0.51 / LEVELS).all())


# boxes


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300, 5e-324])
@pytest.mark.parametrize("seed", range(10))
def test_halves_cover(seed: int, scale: float) -> None:
    gen = Generator().manual_seed(seed)
    boxes = random_boxes(gen, 40, 3, 2)
    boxes = replace(boxes, lower=boxes.lower * scale, upper=boxes.upper * scale)
    axis = torch.randint(0, 3, (40,), generator=gen)
    both = boxes.halves(axis)
    assert torch.equal(both.owner, torch.cat([boxes.owner, boxes.owner]))
    assert torch.equal(both.open, torch.cat([boxes.open, boxes.open]))
    for _ in range(20):
        x = torch.cat([sampled(boxes, gen)] * 2)
        inside = ((x >= both.lower) & (x <= both.upper)).all(1)
        assert bool((inside[:40] | inside[40:]).all()), "halves lose a point"


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_clipping_keeps_what_linear_rows_allow(seed: int, once: bool) -> None:
    law_clipping(seed, once)


@pytest.mark.parametrize("method", [Crown(), Crown(intermediate=False), Ibp()], ids=lambda m: repr(m))
@examples(25)
@given(puzzles(EVERYTHING, ("linf", "box", "feature", "pixel"), margins=(-0.3, -0.1, 0.0, 0.1)), st.booleans())
def test_clipping_keeps_what_breaks_the_property(method: Method, puzzle: Puzzle, once: bool) -> None:
    """Forms of real networks: no point that breaks an open clause leaves the box."""
    case = puzzle.case()
    boxes = left_of(case, method, once)
    if boxes is None:
        return
    for x in points(case, puzzle.seed, 24):
        values = case.specification.values(case.graph(x))
        broken = (case.specification.clauses(values)[:, 0] < 0).any()
        inside = ((x >= boxes.lower) & (x <= boxes.upper)).all()
        assert bool(inside | ~broken), "clipping lost a point that breaks the property"


@examples(25)
@given(puzzles(STRAIGHT, ("linf", "box", "feature"), margins=(-0.3, 0.0), depth=3), st.integers(0, 99), st.booleans())
def test_clipping_in_rational_arithmetic(puzzle: Puzzle, seed: int, once: bool) -> None:
    """Offsets are set so that a point's best row is zero exactly, as far as floats can say it."""
    case = puzzle.case()
    x = points(case, seed, 3)[seed % 4]
    y = exact_values(case.graph, x[0])[case.graph.output]
    rows = exact_rows(case.specification, y, 0)
    offset = [float(Fraction(o) - r) for o, r in zip(case.specification.offset[:, 0].tolist(), rows, strict=True)]
    asked = replace(case.specification, offset=torch.tensor(offset, dtype=torch.float64).unsqueeze(1))
    case = replace(case, specification=asked)
    rows, boxes = exact_rows(asked, y, 0), left_of(case, Crown(), once)
    broken = any(
        all(r <= 0 for r, c in zip(rows, asked.clause, strict=True) if c == k) for k in range(max(asked.clause) + 1)
    )
    if boxes is not None and broken:
        assert bool(((x >= boxes.lower) & (x <= boxes.upper)).all())


def left_of(case: Case, method: Method, once: bool) -> Boxes | None:
    """The case's box, clipped by its own linear bounds."""
    found = propagate(case.graph, case.region, method, case.specification, Options(proof=True))
    if found.form is None:
        return None
    clause = torch.tensor(case.specification.clause)
    boxes = whole(case.region.box(), int(clause.max()) + 1)
    return clipped(boxes, found.form.base, found.form.coefficient, clause, once)


def sign_graph() -> Graph:
    builder = Builder("x", (1,))
    return builder.finish(builder.add(Sign(), builder.input, name="sign"), {})


def test_a_point_on_its_cut_lies_in_both_children() -> None:
    """`sign(0)` is neither -1 nor 1: both domains must allow it."""
    case = Case(
        sign_graph(), box(-torch.ones(1, 1), torch.ones(1, 1)), specification(torch.ones(1, 1), torch.zeros(1), (0,))
    )
    asked = relaxed(case)
    root = random_domains(asked, torch.zeros(1, 1, dtype=torch.float64), 0, Generator())
    children = root.cut(torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.float64))
    assert bool((asked.proved(replace(children, beta=torch.rand(2, 1))) <= 0).all())
