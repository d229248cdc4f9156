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
    law_domains,
    law_domains_exact,
    problem,
    random_domains,
    relaxed,
    site_values,
    specification,
    within,
)
from laws.strategies import EVERYTHING, STRAIGHT
from test_search_laws import examples, puzzles
from torch import Generator, Tensor

from verifier.bounding.methods import Crown, Ibp, Method
from verifier.bounding.propagate import Options, propagate
from verifier.complete.boxes import Boxes, whole
from verifier.complete.domains import LEVELS, packed, unpacked
from verifier.graph.build import Builder
from verifier.graph.graph import Graph, Node
from verifier.graph.ops.activation import Clip, Relu, Sign
from verifier.graph.ops.dense import Linear
from verifier.interval import Interval
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
    """Every point of a domain lies in a child of it; a child inherits all but its cut; and one more child of each."""
    case = puzzle.case()
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    values = site_values(asked, case.graph, torch.cat(points(case, seed, 8)))
    if not values.shape[1]:
        return
    parents = random_domains(asked, values, 2, gen)
    parents = parents.joined(random_domains(asked, values, 0, gen))  # of two depths
    place = torch.randint(0, values.shape[1], (len(parents),), generator=gen)
    point = values[torch.randint(0, len(values), (len(parents),), generator=gen), place]
    children = parents.cut(place, point)
    left, right = children[torch.arange(len(parents))], children[torch.arange(len(parents)) + len(parents)]
    inside, first, second = (within(d, values) for d in (parents, left, right))
    assert torch.equal(inside, first | second), "children lose points, or gain some"
    for child in (left, right):
        assert torch.equal(child.clause, parents.clause)
        assert torch.equal((child.place >= 0).sum(1), (parents.place >= 0).sum(1) + 1)
        assert torch.allclose(child.beta.sum(1), parents.beta.sum(1)), "a cut starts with a multiplier"
        assert torch.equal(child.weight, parents.weight)
        assert all(torch.equal(child.share[key], parents.share[key]) for key in parents.share)


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
    """Multipliers stay at least zero, weights are shares of one; bounds don't fall below the parent's."""
    case = puzzle.case()
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    domains = random_domains(asked, site_values(asked, case.graph, torch.cat(points(case, seed, 2))), 2, gen)
    found = asked.optimised(domains, 3, lambda: False)
    assert bool((found.beta >= 0).all())
    assert bool((found.weight >= 0).all())
    assert torch.equal(found.place, domains.place)
    assert torch.equal(found.point, domains.point)
    assert torch.equal(found.clause, domains.clause)
    assert bool((found.bound >= domains.bound).all())


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


def random_boxes(gen: Generator, count: int, size: int, clauses: int) -> Boxes:
    lower = torch.randn(count, size, generator=gen, dtype=torch.float64)
    width = torch.rand(count, size, generator=gen, dtype=torch.float64)
    width = torch.where(torch.rand(count, size, generator=gen) < 0.2, 0.0, width)
    found = whole(Interval(lower, lower + width), clauses)
    return replace(found, open=torch.rand(count, clauses, generator=gen) < 0.7)


def sampled(boxes: Boxes, gen: Generator) -> Tensor:
    """A point of each box, often at an end or a middle."""
    share = torch.rand(boxes.lower.shape, generator=gen, dtype=torch.float64)
    share = torch.where(torch.rand(share.shape, generator=gen) < 0.3, (share * 3).floor() / 2, share)
    x = boxes.lower + share * boxes.width
    return torch.minimum(torch.maximum(x, boxes.lower), boxes.upper)


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


@pytest.mark.parametrize("seed", range(40))
def test_clipping_keeps_what_linear_rows_allow(seed: int) -> None:
    """Rows that are their own linear bounds: a point that breaks all rows of an open clause stays, exactly."""
    gen = Generator().manual_seed(seed)
    clause = torch.tensor([0, 0, 1, 2][: 1 + seed % 4])
    boxes = random_boxes(gen, 30, 3, int(clause.max()) + 1)
    coefficient = torch.randn(len(clause), 30, 3, generator=gen, dtype=torch.float64)
    coefficient = torch.where(torch.rand(coefficient.shape, generator=gen) < 0.2, 0.0, coefficient)
    x = sampled(boxes, gen)
    base, kept = torch.zeros(len(clause), 30, dtype=torch.float64), []
    for n in range(30):
        breaks = []
        for s in range(len(clause)):
            t = [
                Fraction(float(x[n, i] - 0)) - Fraction(float(boxes.lower[n, i]))
                if coefficient[s, n, i] > 0
                else Fraction(float(boxes.upper[n, i])) - Fraction(float(x[n, i]))
                for i in range(3)
            ]
            rise = sum((abs(Fraction(float(coefficient[s, n, i]))) * t[i] for i in range(3)), Fraction(0))
            exact = seed % 2 == 0  # the row is zero at the point, up to rounding
            base[s, n] = -float(rise) if exact else -float(rise) + float(torch.randn((), generator=gen)) * 0.5
            breaks.append(Fraction(float(base[s, n])) + rise <= 0)
        kept.append(
            any(
                bool(boxes.open[n, k]) and all(b for b, c in zip(breaks, clause.tolist(), strict=True) if c == k)
                for k in range(boxes.open.shape[1])
            )
        )
    clipped = boxes.clipped(base, coefficient, clause)
    inside = ((x >= clipped.lower) & (x <= clipped.upper)).all(1)
    assert bool((inside | ~torch.tensor(kept)).all()), "clipping lost a point that breaks an open clause"
    assert bool((~clipped.empty | ~torch.tensor(kept)).all())
    assert bool((clipped.lower >= boxes.lower).all() | ~boxes.open.any(1).all())


@pytest.mark.parametrize("method", [Crown(), Crown(intermediate=False), Ibp()], ids=lambda m: repr(m))
@examples(25)
@given(puzzles(EVERYTHING, ("linf", "box", "feature", "pixel"), margins=(-0.3, -0.1, 0.0, 0.1)))
def test_clipping_keeps_what_breaks_the_property(method: Method, puzzle: Puzzle) -> None:
    """Forms of real networks: no point that breaks an open clause leaves the box."""
    case = puzzle.case()
    boxes = clipped(case, method)
    if boxes is None:
        return
    for x in points(case, puzzle.seed, 24):
        values = case.specification.values(case.graph(x))
        broken = (case.specification.clauses(values)[:, 0] < 0).any()
        inside = ((x >= boxes.lower) & (x <= boxes.upper)).all()
        assert bool(inside | ~broken), "clipping lost a point that breaks the property"


@examples(25)
@given(puzzles(STRAIGHT, ("linf", "box", "feature"), margins=(-0.3, 0.0), depth=3), st.integers(0, 99))
def test_clipping_in_rational_arithmetic(puzzle: Puzzle, seed: int) -> None:
    """Offsets are set so that a point's best row is zero exactly, as far as floats can say it."""
    case = puzzle.case()
    x = points(case, seed, 3)[seed % 4]
    y = exact_values(case.graph, x[0])[case.graph.output]
    rows = exact_rows(case.specification, y, 0)
    offset = [float(Fraction(o) - r) for o, r in zip(case.specification.offset[:, 0].tolist(), rows, strict=True)]
    asked = replace(case.specification, offset=torch.tensor(offset, dtype=torch.float64).unsqueeze(1))
    case = replace(case, specification=asked)
    rows, boxes = exact_rows(asked, y, 0), clipped(case, Crown())
    broken = any(
        all(r <= 0 for r, c in zip(rows, asked.clause, strict=True) if c == k) for k in range(max(asked.clause) + 1)
    )
    if boxes is not None and broken:
        assert bool(((x >= boxes.lower) & (x <= boxes.upper)).all())


def clipped(case: Case, method: Method) -> Boxes | None:
    """The case's box, clipped by its own linear bounds."""
    found = propagate(case.graph, case.region, method, case.specification, Options(proof=True))
    if found.form is None:
        return None
    clause = torch.tensor(case.specification.clause)
    boxes = whole(case.region.box(), int(clause.max()) + 1)
    return boxes.clipped(found.form.base, found.form.coefficient, clause)


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
    assert problem(case).batch == 1
