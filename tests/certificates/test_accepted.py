"""What searches prove about random small networks is accepted, in float64 and, where that can be, in fractions."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case
from laws.certificates import accepted, easy, law_accepted, law_true, recorded, table_of
from laws.nets import PIECEWISE
from laws.searches import Own, Puzzle
from laws.strategies import examples
from test_sharpened import checked, mlp

from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.bab import Bab
from verifier.complete.input_split import InputSplit
from verifier.complete.portfolio import Portfolio
from verifier.complete.record import Recorder, question
from verifier.complete.search import Search
from verifier.complete.written import noted
from verifier.errors import Rejected
from verifier.graph.build import Builder
from verifier.graph.op import Op
from verifier.graph.ops.activation import Relu, Sigmoid
from verifier.graph.ops.dense import Linear
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.place import CutAt
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.model import Model
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import robust
from verifier.regions import ball, box, linf

STRAIGHT = (*(k for k in PIECEWISE if k != "prelu"), "linear", "conv", "conv_transpose", "average", "norm", "pad")
MOVED = ("transpose", "gather", "reduce", "multiply", "double")
SMOOTH = (
    "sigmoid",
    "tanh",
    "residual",
    "constant",
    "product",
    "square",
    "sin",
    "gelu",
    "exp",
    "standardise",
    "shares",
    "floor",
    "wrap",
    "choice",
)
SHAPES = ((2,), (5,), (1, 1, 4, 4), (1, 2, 3, 5))
BAB = Bab(root=AlphaCrown(steps=3), first=5, steps=3, batch=16)
STAGES: dict[str, Method | Search] = {
    "interval": Ibp(),
    "crown-ibp": Crown(intermediate=False),
    "crown": Crown(),
    "alpha-crown": AlphaCrown(steps=3),
    "zonotope": Zonotope(),
    "zonotope of few symbols": Zonotope(symbols=3),
    "bab": BAB,
    "input-split": InputSplit(batch=64),
    "input-split by zonotopes": InputSplit(bound=Zonotope(symbols=4), batch=64),
    "portfolio": Portfolio(activations=BAB),
}


@st.composite
def puzzles(draw: st.DrawFn, kinds: tuple[str, ...], depth: int = 5, batch: int = 2) -> Puzzle:
    clause = draw(st.sampled_from(((0,), (0, 0), (0, 1), (0, 0, 1, 2))))
    return Puzzle(
        shape=draw(st.sampled_from(SHAPES)),
        layers=tuple(draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=depth))),
        seed=draw(st.integers(0, 10**6)),
        scale=draw(st.sampled_from((0.5, 1.0, 2.0))),
        region=draw(st.sampled_from(("linf", "feature", "box", "point"))),
        size=draw(st.sampled_from((0.05, 0.3))),
        clause=clause,
        closed=(draw(st.booleans()),) * len(clause),
        margin=draw(st.sampled_from((0.003, 0.05, 0.5))),
        batch=draw(st.integers(1, batch)),
    )


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_what_is_verified_is_accepted(stage: Method | Search) -> None:
    counts = []

    @given(puzzle=puzzles((*STRAIGHT, *MOVED, *SMOOTH, "prelu")))
    @examples(25)
    def law(puzzle: Puzzle) -> None:
        with TemporaryDirectory() as folder:
            counts.append(law_accepted(puzzle.problem(), stage, Path(folder)))

    law()
    assert sum(counts) >= 5  # else nothing was tried


FRACTIONS = {"alpha": AlphaCrown(steps=3), "zonotope": Zonotope(), "bab": BAB, "inputs": InputSplit(batch=16)}


@pytest.mark.parametrize("stage", FRACTIONS.values(), ids=FRACTIONS)
def test_fractions_agree(stage: Method | Search) -> None:
    counts = []

    @given(puzzle=puzzles((*STRAIGHT, "gather", "prelu"), depth=3, batch=1))
    @examples(12)
    def law(puzzle: Puzzle) -> None:
        asked = puzzle.problem()
        recorder, proved = recorded(asked, stage, 1.0)
        if proved and _leaves(recorder) < 40:
            with TemporaryDirectory() as folder:
                law_true(accepted(recorder, asked.model.graph, Path(folder), exact=True))
            counts.append(len(proved))

    law()
    assert sum(counts) >= 3


def _leaves(recorder: Recorder) -> int:
    proofs = [entry["proof"] for entry in recorder.entries]
    trees = [p["search"]["tree"] if "search" in p else p["boxes"]["tree"] for p in proofs if p["kind"] != "bounds"]
    return sum(int((tree["place"] < 0).sum()) for tree in trees)


@given(
    puzzle=puzzles((*STRAIGHT, *MOVED, *SMOOTH, "prelu")),
    method=st.sampled_from((AlphaCrown(steps=2), Zonotope(), Zonotope(symbols=3))),
)
@examples(60)
def test_intervals_hold_at_points(puzzle: Puzzle, method: Method) -> None:
    """The checker's table, with slopes from a certificate, contains what the network computes."""
    asked = easy(puzzle.problem())
    recorder, proved = recorded(asked, method)
    assert proved
    for entry in recorder.entries:
        table = table_of(asked.model.graph, entry)
        graph = asked.model.graph
        gen = torch.Generator().manual_seed(0)
        low, high = (torch.from_numpy(entry[side]) for side in ("lower", "upper"))
        x = low + (high - low) * torch.rand(32, low.shape[1], generator=gen, dtype=torch.float64)
        for node in graph.nodes:
            y = flat(graph.until(node.name)(x.reshape(-1, *graph.input.shape)), 1).numpy()
            slack = 1e-9 * (1 + abs(y))
            assert (y >= table.lower[node.name] - slack).all(), node
            assert (y <= table.upper[node.name] + slack).all(), node


def test_boxes_of_a_batch_are_bounded_as_in_the_search() -> None:
    """Where fewer entries of a box are asked for than of others, the rest of a batch says nothing about it: slopes that
    follow would be others. A certificate about ACAS Xu was rejected for that."""
    case = mlp(3)
    size = torch.tensor([1.0, 0.02, 0.3, 0.1]).unsqueeze(1)
    center = torch.linspace(-0.5, 0.5, 12).reshape(4, 3) * (1 - size)
    region, notes = box(center - size * torch.ones(4, 3), center + size * torch.ones(4, 3)), Notes()
    found = propagate(case.graph, region, Crown(), None, Options(proof=True, notes=notes)).table
    batch = Case(case.graph, region, case.specification)
    table = checked(batch, {**noted(notes, [0, 1, 2, 3]), "sharpened": []}, boxes=4)
    for name, interval in found.items():
        assert table.lower[name] == pytest.approx(flat(interval.lower, 1).numpy(), abs=1e-9)
        assert table.upper[name] == pytest.approx(flat(interval.upper, 1).numpy(), abs=1e-9)


def with_last(*ops: Op) -> Problem:
    gen = torch.Generator().manual_seed(3)

    def weight(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=gen, dtype=torch.float64)

    builder = Builder("x", (4,))
    hidden = builder.add(Relu(), builder.add(Linear(weight(6, 4)), builder.input, name="a"), name="b")
    logits = builder.add(Linear(weight(3, 6)), hidden, name="c")
    last = logits
    for op in ops:
        last = builder.add(op, last, name="d")
    graph = builder.finish(last, {})
    x = torch.rand(3, 4, generator=gen)
    labels = graph.until("c")(x.double()).argmax(1)
    return Problem(Model(graph, Own(graph), "test"), linf(x, 0.01, 0.0, 1.0), robust(labels, graph.output_shape))


def test_a_last_softmax_is_cut_off(tmp_path: Path) -> None:
    evaluated = with_last(Batchwise("Softmax", partial(torch.softmax, dim=-1)))
    for asked in (evaluated, with_last(Differences(), Softmax(True))):
        assert law_accepted(asked, Crown(), tmp_path) > 0


def test_another_last_function_is_no_softmax(tmp_path: Path) -> None:
    """A certificate about the node before the last one is refused, unless a softmax follows."""
    asked = with_last(Sigmoid())
    graph = asked.model.graph.until("c")
    inner = replace(asked, model=replace(asked.model, graph=graph))
    recorder, proved = recorded(inner, Crown())
    assert proved
    with pytest.raises(Rejected, match="not the network's output"):
        accepted(recorder, asked.model.graph, tmp_path)


def test_the_question_is_as_asked() -> None:
    asked = with_last(Relu())
    written = question(asked)
    assert (written["lower"] == flat(asked.region.box().lower, 1).numpy()).all()
    assert written["rows"].shape == (2, 3, 3)


def test_what_the_checker_can_not_follow_is_told() -> None:
    recorder, proved = recorded(easy(with_last(Relu(), CutAt(1, 2, 1, 0.0))), Crown())
    assert proved
    assert recorder.missing == ["d#1: the checker has no rule for CutAt"] * len(proved)


def test_balls_have_none_yet() -> None:
    asked = with_last(Relu())
    asked = Problem(asked.model, ball(torch.rand(3, 4), 1e-3, 2, 0.0, 1.0), asked.specification)
    recorder, proved = recorded(asked, Crown())
    assert len(recorder.missing) == len(proved)
    assert not recorder.entries
