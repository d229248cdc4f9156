"""A last ReLU is left out where it changes no answer, and only there."""

import pytest
import torch

from verifier import verify
from verifier.formats.selfcheck import run
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Scale, Shift, Sum
from verifier.model import Model
from verifier.problem import Problem, without_last_relu
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Falsified, Verified

X = torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


class Own:
    """The graph as its own engine."""

    name = "own"

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, x):  # type: ignore[no-untyped-def]
        return run(self.graph, x, torch.float32)


def asked(rows: list[list[float]], offset: list[float], closed: bool = False, tail: float = 1.0, shift: float = 0.0):  # type: ignore[no-untyped-def]
    """Rows about `tail * relu(z) + shift` with two entries."""
    builder = Builder("x", (2,))
    z = builder.add(
        Linear(torch.tensor([[1.0, 0.5], [-0.7, 0.4]]).double(), torch.tensor([0.1, -0.2]).double()), "x", name="z"
    )
    last = builder.add(Relu(), z, name="last")
    if tail != 1.0:
        last = builder.add(Scale(number(tail)), last, name="tail")
    if shift:
        last = builder.add(Shift(number(shift)), last, name="shift")
    graph = builder.finish(last, {})
    spec = Specification(
        torch.tensor(rows).double().unsqueeze(1),
        torch.tensor(offset).double().unsqueeze(1),
        tuple(range(len(rows))),
        (closed,) * len(rows),
    )
    return Problem(Model(graph, Own(graph), "test", ()), box(-torch.ones(1, 2), torch.ones(1, 2)), spec)


def holds(problem: Problem) -> torch.Tensor:
    values = problem.model.graph(X).flatten(1)
    rows = problem.specification.rows[:, 0] @ values.T + problem.specification.offset
    return torch.where(torch.tensor(problem.specification.closed)[:, None], rows >= 0, rows > 0)


def changed(problem: Problem) -> bool:
    return without_last_relu(problem) is not problem


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("tail", [1.0, 2.0, -0.5])
@pytest.mark.parametrize("shift", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("c", [1.0, -2.0])
@pytest.mark.parametrize("d", [0.0, 0.4, -0.4])
def test_no_answer_changes(closed: bool, tail: float, shift: float, c: float, d: float) -> None:
    problem = asked([[c, 0.0], [0.0, c]], [d, d], closed, tail, shift)
    slope, constant = c * tail, d + c * shift
    if abs(constant) < 1e-9:
        constant = 0.0
    free = (slope > 0 and (constant < 0 or (constant == 0 and not closed))) or (slope < 0 and constant > 0)
    assert changed(problem) is free or (constant == 0.0 and shift != 0.0)
    assert torch.equal(holds(problem), holds(without_last_relu(problem)))


def test_only_of_single_entries() -> None:
    assert changed(asked([[1.0, 0.0]], [0.0]))
    assert not changed(asked([[1.0, -1.0]], [0.0]))
    assert not changed(asked([[0.0, 0.0]], [1.0]))
    assert not changed(asked([[1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0]))  # one of the rows is enough


def test_a_relu_with_another_reader_stays() -> None:
    builder = Builder("x", (1,))
    relu = builder.add(Relu(), "x", name="relu")
    graph = builder.finish(builder.add(Sum((1, 1)), relu, relu, name="y"), {})
    asked = Specification(torch.ones(1, 1, 1).double(), torch.zeros(1, 1).double(), (0,))
    assert not changed(Problem(Model(graph, Own(graph), "test", ()), box(-torch.ones(1, 1), torch.ones(1, 1)), asked))


def test_what_lay_at_zero_is_decided() -> None:
    """Behind the ReLU no bound is above zero where it matters: here the entry is positive throughout or not."""
    for bias, expected in ((3.0, Verified), (0.5, Falsified)):
        builder = Builder("x", (2,))
        z = builder.add(Linear(torch.tensor([[1.0, 1.0]]).double(), torch.tensor([bias]).double()), "x", name="z")
        graph = builder.finish(builder.add(Relu(), z, name="y"), {})
        spec = Specification(torch.ones(1, 1, 1).double(), torch.zeros(1, 1).double(), (0,))
        region = box(-torch.ones(1, 2), torch.ones(1, 2))
        assert isinstance(verify(Model(graph, Own(graph), "test", ()), region, spec, method="crown"), expected)
