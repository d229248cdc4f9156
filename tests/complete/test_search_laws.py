"""Searches against each other, against points and against brute force, on random small networks."""

import time
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from laws.enumeration import TooMany
from laws.nets import PIECEWISE, network
from laws.searches import (
    SEARCHES,
    Own,
    Puzzle,
    case_of,
    finished,
    kind,
    law_agree,
    law_nothing_verified,
    law_points,
    law_ties,
    law_truth,
    planted,
    problem,
    specification,
    truth,
    work,
)
from laws.strategies import EVERYTHING, SCALES, examples
from torch import Tensor

from verifier.attacks.pgd import Pgd
from verifier.bounding.methods import Zonotope
from verifier.complete.bab import Bab
from verifier.complete.exact.search import Milp
from verifier.complete.input_split import InputSplit
from verifier.complete.portfolio import Portfolio
from verifier.complete.search import Search
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Sum
from verifier.model import Model
from verifier.problem import Problem
from verifier.regions import box, linf
from verifier.verdict import Falsified, Reason, Unknown, Verified

CLAUSES = ((0,), (0, 0), (0, 1), (0, 0, 1, 2), (1, 0, 1, 0))
BOXES = ("linf", "feature", "box", "pixel", "point")
RELUS = ("linear", "relu", "linear", "relu", "norm")
EXACT = (*(k for k in PIECEWISE if k != "max"), "linear")
ALL = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)


@st.composite
def puzzles(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = EVERYTHING,
    regions: tuple[str, ...] = (*BOXES, "l1", "l2"),
    shapes: tuple[tuple[int, ...], ...] = ((2,), (3,), (1, 3), (5,)),
    margins: tuple[float, ...] = (-0.2, -0.01, 0.0, 0.01, 0.1, 0.5),
    batch: int = 1,
    depth: int = 4,
) -> Puzzle:
    clause = draw(st.sampled_from(CLAUSES))
    return Puzzle(
        shape=draw(st.sampled_from(shapes)),
        layers=tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=depth))),
        seed=draw(st.integers(0, 10**6)),
        scale=draw(st.sampled_from(SCALES)),
        region=draw(st.sampled_from(regions)),
        size=draw(st.sampled_from([0.02, 0.2, 1.0])),
        clause=clause,
        closed=tuple(draw(st.lists(st.booleans(), min_size=len(clause), max_size=len(clause)))),
        margin=draw(st.sampled_from(margins)),
        batch=draw(st.integers(1, batch)),
    )


@examples(40)
@given(puzzles(batch=2))
def test_searches_agree(puzzle: Puzzle) -> None:
    """Every kind of network and region: what one proves no other refutes, and no point breaks it."""
    asked = puzzle.problem()
    answers = [search(asked, work(1.0, 150)) for search in SEARCHES.values()]
    for verdicts in answers:
        law_points(asked, verdicts, puzzle.seed)
    attack = Pgd(steps=20, restarts=3)(asked.model.graph.to(torch.float32), asked, torch.Generator().manual_seed(0))
    found = [a or Unknown(Reason.LOOSE, -torch.inf, "attack") for a in attack]
    law_agree(asked, [*answers, found])


@examples(40)
@given(puzzles(EXACT, BOXES, ((2,), (3,)), depth=3))
def test_searches_agree_with_brute_force(puzzle: Puzzle) -> None:
    """The least margin over all activation patterns; and the exact searches."""
    asked = replace(puzzle, closed=()).problem()
    try:
        least = truth(case_of(asked))
    except TooMany:
        assume(False)
    answers = [search(asked, work(1.0, 300)) for search in (*SEARCHES.values(), Milp())]
    for (verdict,) in answers:
        law_truth(least, verdict)
    law_agree(asked, answers)


@ALL
@examples(12)
@given(puzzles(("linear", "relu"), ("linf", "box", "feature"), ((2,), (3,)), (-0.1, 0.1), depth=4))
def test_small_relu_networks_are_decided(search: Search, puzzle: Puzzle) -> None:
    """Where the least margin is clear of zero, everyone finds out."""
    asked = replace(puzzle, closed=()).problem()
    try:
        least = truth(case_of(asked))
    except TooMany:
        assume(False)
    assume(abs(least) > 1e-2)
    (verdict,) = search(asked, work(10.0, 5000))
    assume(not isinstance(verdict, Unknown) or verdict.reason is not Reason.TIME)  # a slow machine says nothing
    assert kind(verdict) == ("Verified" if least > 0 else "Falsified"), (least, verdict)


@ALL
@examples(10)
@given(puzzles(("linear", "relu", "abs", "clip"), ("linf", "box"), ((2,), (3,)), (-0.1, 0.1), batch=3, depth=3))
def test_company_and_order_do_not_matter(search: Search, puzzle: Puzzle) -> None:
    """Alone or in a batch, clauses in whatever order: the same answer where there is one."""
    asked = puzzle.problem()
    together = search(asked, work(3.0, 2000))
    for b in range(asked.batch):
        alone = search(asked.select(torch.tensor([b])), work(3.0, 2000))[0]
        other = search(reordered(asked.select(torch.tensor([b]))), work(3.0, 2000))[0]
        kinds = {kind(v) for v in (together[b], alone, other) if finished(v)}
        assert len(kinds) <= 1, "the answer depends on company"


def reordered(asked: Problem) -> Problem:
    """The rows from last to first, and the clauses' numbers turned around."""
    old = asked.specification
    clause = tuple(max(old.clause) - c for c in reversed(old.clause))
    new = replace(old, rows=old.rows.flip(0), offset=old.offset.flip(0), clause=clause, closed=old.closed[::-1])
    return replace(asked, specification=new)


@ALL
@examples(10)
@given(puzzles(("linear", "relu"), ("linf", "box"), ((2,),), (-0.1, 0.1, 0.3), batch=4, depth=2))
def test_parts_of_one_question(search: Search, puzzle: Puzzle) -> None:
    """With `together` a falsified part may end the search; no verdict turns around, and none is missing."""
    asked = puzzle.problem()
    alone, parts = search(asked, work(3.0)), search(asked, replace(work(3.0), together=True))
    assert len(parts) == asked.batch
    for a, b in zip(alone, parts, strict=True):
        assert kind(a) == kind(b) or not finished(a) or not finished(b)
    if any(isinstance(v, Falsified) for v in alone) and all(finished(v) for v in parts):
        assert any(isinstance(v, Falsified) for v in parts)
    elif all(finished(v) for v in (*alone, *parts)):
        assert [kind(v) for v in alone] == [kind(v) for v in parts]


def test_parts_in_which_few_and_many_inputs_vary() -> None:
    """One part is falsified before the others were looked at: they still have an answer."""
    graph = network((20,), ("linear", "relu"), 1)
    lower, upper = torch.zeros(2, 20), torch.zeros(2, 20)
    upper[0, :3], upper[1] = 1, 1
    asked = Problem(
        Model(graph, Own(graph), "test"),
        box(lower, upper),
        specification(torch.tensor([[1.0, 0, 0]]), torch.tensor([-100.0]), (0,), 2),
    )
    first, second = Portfolio()(asked, replace(work(5.0), together=True))
    assert isinstance(first, Falsified)
    assert isinstance(second, Unknown)


@pytest.mark.parametrize("search", [*SEARCHES.values(), Portfolio()], ids=[*SEARCHES, "portfolio"])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0])
def test_time_ends(search: Search, seconds: float) -> None:
    asked = hard()
    search(asked, work(0.1))  # what is imported once
    start = time.monotonic()
    (verdict,) = search(asked, work(seconds, 10**6))
    assert time.monotonic() - start < 1.1 * seconds + 1
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.TIME


@ALL
@pytest.mark.parametrize("domains", [1, 10, 100])
def test_domains_end(search: Search, domains: int) -> None:
    notes: list[str] = []
    (verdict,) = search(hard(), replace(work(20.0, domains), note=notes.append))
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.DOMAINS
    counts = [int(note.split(": ")[1].split()[0]) for note in notes if "open, worst" in note]
    assert counts
    assert counts[-1] == domains


def hard() -> Problem:
    """Decided by nobody soon: two copies of one network differ by less than 1e-6."""
    gen, builder = torch.Generator().manual_seed(3), Builder("x", (12,))
    sizes = [(30, 12), (30, 30), (30, 30), (1, 30)]
    layers = [Linear(torch.randn(s, generator=gen, dtype=torch.float64) * (2 / s[1]) ** 0.5) for s in sizes]
    ends = []
    for _ in range(2):
        at = builder.input
        for layer in layers:
            at = builder.add(layer, builder.add(Relu(), at, name="relu") if at != builder.input else at, name="linear")
        ends.append(at)
    graph = builder.finish(builder.add(Sum((1, -1)), *ends, name="sum"), {})
    return problem_of(
        graph, specification(torch.ones(1, 1), torch.tensor([1e-6]), (0,)), -torch.ones(1, 12), torch.ones(1, 12)
    )


@ALL
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e20, 1e30])
@pytest.mark.parametrize("seed", range(4))
def test_scales_far_from_one(search: Search, scale: float, seed: int) -> None:
    """Networks whose numbers float32 can hardly hold, or not at all: what is verified is true."""
    puzzle = Puzzle((3,), ("linear", "relu", "linear", "relu"), seed, 1.0, "linf", 0.3, (0, 0, 1, 1), (), -0.05)
    case = puzzle.case()
    nodes = []
    for node in case.graph.nodes:
        op = node.op
        if isinstance(op, Linear):
            bias = None if op.bias is None else op.bias * scale
            first = node.inputs[0] == case.graph.input.name
            op = Linear(op.weight * scale if first else op.weight, bias)
        nodes.append(replace(node, op=op))
    graph = replace(case.graph, nodes=tuple(nodes))
    asked = replace(case.specification, offset=case.specification.offset * scale)
    moved = problem(replace(case, graph=graph, specification=asked))
    law_points(moved, search(moved, work(1.0, 200)), seed)
    assert not isinstance(search(moved, work(1.0, 200))[0], Verified), "a point breaks it"


@ALL
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf"), 1e200])
@pytest.mark.parametrize("where", ["weight", "bias", "offset", "rows"])
def test_broken_numbers_are_never_verified(search: Search, broken: float, where: str) -> None:
    """The property would hold by far without the broken number, or in a part of the region where it does not count."""
    gen, builder = torch.Generator().manual_seed(0), Builder("x", (3,))
    weight, bias = torch.randn(4, 3, generator=gen, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    target = {"weight": weight[0], "bias": bias}.get(where)
    if target is not None:
        target[0] = broken
    at = builder.add(Relu(), builder.add(Linear(weight, bias), builder.input, name="linear"), name="relu")
    last = torch.randn(2, 4, generator=gen, dtype=torch.float64)
    if broken == 1e200:
        last[:, 0] = torch.tensor([-1e200, -1e200])
    at = builder.add(Linear(last), at, name="linear")
    graph = builder.finish(at, {})
    rows, offset = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double(), torch.tensor([100.0, 100.0]).double()
    if where == "offset":
        offset[0] = -abs(broken)  # with an infinite one above zero the property would hold
    if where == "rows":
        rows[0, 0] = -broken
    asked = Problem(
        Model(graph, Own(graph), "test"), box(-torch.ones(1, 3), torch.ones(1, 3)), specification(rows, offset, (0, 1))
    )
    law_nothing_verified(asked, search)


@ALL
def test_ties_are_open_unless_closed(search: Search) -> None:
    law_ties(search)


def problem_of(graph: Graph, asked: object, lower: Tensor, upper: Tensor) -> Problem:
    return Problem(Model(graph, Own(graph), "test"), box(lower, upper), asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("search", [*SEARCHES.values(), Milp()], ids=[*SEARCHES, "milp"])
@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_spike_is_never_verified_away(search: Search, width: float, seed: int) -> None:
    """A network whose only bad points are a spike that no attack meets by chance."""
    asked, at = planted(seed, width)
    gradient = Pgd(steps=20, restarts=3)(asked.model.graph.to(torch.float32), asked, torch.Generator().manual_seed(0))
    assert gradient == [None], "the point is not hidden"
    assert asked.specification.values(asked.model.graph(at)).item() < 0, "the point is not bad"
    (verdict,) = search(asked, work(30.0, 20000))
    assert isinstance(verdict, Falsified), verdict


@pytest.mark.parametrize("branching", ["fsb", "babsr", "widest"])
def test_nothing_to_cut(branching: str) -> None:
    """An affine network: no nonlinear node at all, and a property that is broken, or a tie."""
    builder = Builder("x", (2,))
    at = builder.add(Linear(torch.eye(2).double()), builder.input, name="linear")
    graph = builder.finish(at, {})
    broken = specification(torch.tensor([[1.0, 1.0]]), torch.tensor([-0.5]), (0,))
    tie = specification(torch.tensor([[0.0, 0.0]]), torch.tensor([0.0]), (0,))
    for asked in (broken, tie):
        (verdict,) = SEARCHES[branching](problem_of(graph, asked, torch.zeros(1, 2), torch.ones(1, 2)), work())
        assert isinstance(verdict, Falsified)


def test_slopes_that_differ_by_channel() -> None:
    """PReLU's slopes are float64 in the proof, float32 in the search."""
    puzzle = Puzzle((2,), ("prelu", "cancel", "cancel"), 49128, 1.0, "box", 1.0, (0, 1), (False, True), -0.01)
    assert not isinstance(Bab()(puzzle.problem(), work(2.0, 50))[0], Verified)


def test_only_boxes_are_cut() -> None:
    puzzle = Puzzle((3,), ("linear", "relu"), 0, 1.0, "l2", 0.2, (0,), (), 0.1)
    (verdict,) = InputSplit()(puzzle.problem(), work())
    assert isinstance(verdict, Unknown)
    assert verdict.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize("search", [*SEARCHES.values(), Portfolio()], ids=[*SEARCHES, "portfolio"])
def test_a_witness_lies_in_the_region_not_in_its_hull(search: Search) -> None:
    """The ball's surface is rounded outwards for proofs: 1 lies in the hull, and breaks `1 - x > 0`, but is outside."""
    builder = Builder("x", (1,))
    graph = builder.finish(builder.add(Linear(torch.ones(1, 1).double()), builder.input, name="linear"), {})
    region = linf(torch.tensor([[1 - 2.0**-53]], dtype=torch.float64), 1e-40, -2.0, 2.0)
    assert float(region.outer.upper) == 1.0 > float(region.inner.upper)
    asked = specification(-torch.ones(1, 1), torch.ones(1), (0,))
    (verdict,) = search(Problem(Model(graph, Own(graph), "test"), region, asked), work(2.0, 100))
    assert not isinstance(verdict, Falsified)


def test_parts_keep_their_own_intervals_when_memory_is_short() -> None:
    """Boxes whose zonotopes do not fit into memory together are bounded in halves: each with what is known of it."""
    search = InputSplit(bound=Zonotope(), batch=8)
    for seed in range(4):
        puzzle = Puzzle((3,), ("linear", "relu", "linear", "relu"), seed, 1.0, "box", 1.0, (0, 1), (), 0.1)
        asked = puzzle.problem()
        sizes = [torch.Size(node.shape).numel() for node in asked.model.graph.nodes]
        enough = 4 * 8 * max(sizes) * sum(sizes)  # for one box
        verdicts = [search(asked, replace(work(2.0, 100), bytes=b))[0] for b in (2**30, enough)]
        assert kind(verdicts[0]) == kind(verdicts[1])
        law_points(asked, verdicts[1:], seed)
