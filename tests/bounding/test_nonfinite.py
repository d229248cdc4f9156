"""NaN, infinities and overflow never prove anything (catalogue 1), nor do ties (catalogue 8)."""

from dataclasses import fields, replace

import pytest
import torch
from laws.cases import Case, make_region, make_specification
from laws.containment import METHODS
from laws.nets import network
from laws.verdicts import law_nothing_proved
from torch import Tensor

from verifier.bounding.methods import Ibp, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.dense import Shift
from verifier.properties import Specification
from verifier.regions import box

PROOF = Options(proof=True)
LAYERS = (("linear", "relu"), ("linear", "relu", "linear", "relu"), ("linear", "sigmoid"), ("linear", "max", "norm"))


def spoiled(graph: Graph, value: float) -> Graph:
    """The last layer's bias becomes `value`: no output is finite any more, or all are huge."""
    node = graph.nodes[-1]
    bias: Tensor = torch.full((3,), value, dtype=torch.float64)
    return replace(graph, nodes=(*graph.nodes[:-1], replace(node, op=replace(node.op, bias=bias))))  # type: ignore[call-arg]


def spoiled_inside(graph: Graph, value: float) -> Graph:
    """One weight of the first layer becomes `value`."""
    nodes = list(graph.nodes)
    for k, node in enumerate(nodes):
        if any(f.name == "weight" for f in fields(node.op)):
            weight = node.op.weight.clone()  # type: ignore[attr-defined]
            weight[:] = value
            nodes[k] = replace(node, op=replace(node.op, weight=weight))  # type: ignore[call-arg]
            break
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("spoil", [spoiled, spoiled_inside])
def test_nothing_is_proved(method: Method, value: float, spoil) -> None:  # type: ignore[no-untyped-def]
    for seed, layers in enumerate(LAYERS):
        graph = spoil(network((4,), layers, seed), value)
        case = Case(graph, make_region("linf", (4,), 2, seed), make_specification(graph, 2, seed, (0, 0, 1, 2)))
        law_nothing_proved(case, method, PROOF)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_overflow_proves_nothing_wrong(method: Method) -> None:
    """Partial sums of rows leave the range of float64, though their exact value is -1e307."""
    builder = Builder("x", (4,))
    graph = builder.finish(builder.add(Shift(torch.zeros(4, dtype=torch.float64)), builder.input, name="same"), {})
    row = torch.tensor([1.7e308, 1.0e308, -1.7e308, -1.1e308], dtype=torch.float64).reshape(1, 1, 4)
    one = torch.ones(1, 4)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3]):
        specification = Specification(row[..., order], torch.zeros(1, 1, dtype=torch.float64), (0,))
        law_nothing_proved(Case(graph, box(one, one), specification), method, PROOF)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_ties_are_not_proved(method: Method) -> None:
    """`x - 1 > 0` at `x = 1`."""
    builder = Builder("x", (1,))
    graph = builder.finish(builder.add(Shift(torch.zeros(1, dtype=torch.float64)), builder.input, name="same"), {})
    one = torch.ones(1, 1)
    specification = Specification(torch.ones(1, 1, 1, dtype=torch.float64), -one.double(), (0,))
    law_nothing_proved(Case(graph, box(one, one), specification), method, PROOF)


def test_nan_in_the_property() -> None:
    graph = network((4,), ("linear", "relu"), 0)
    specification = make_specification(graph, 1, 0, (0,))
    for broken in (
        replace(specification, rows=specification.rows * float("nan")),
        replace(specification, offset=specification.offset + float("nan")),
    ):
        law_nothing_proved(Case(graph, make_region("linf", (4,), 1, 0), broken), Ibp(), PROOF)


def test_one_spoiled_neuron_leaves_others_alone() -> None:
    """An interval that is NaN becomes the whole line; its neighbours keep theirs."""
    builder = Builder("x", (2,))
    shift = torch.tensor([float("nan"), 1.0], dtype=torch.float64)
    graph = builder.finish(builder.add(Shift(shift), builder.input, name="shift"), {})
    found = propagate(graph, box(torch.zeros(1, 2), torch.ones(1, 2)), Ibp(), None, Options()).table["shift"]
    assert found.lower[0].tolist() == [-torch.inf, 1.0]
    assert found.upper[0].tolist() == [torch.inf, 2.0]
