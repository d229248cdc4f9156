"""Entries that are copies of each other are bounded once, and all of them are."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.containment import node_values
from laws.nets import ALL, network

from verifier.bounding import propagate as bounding
from verifier.bounding.copies import Twins, copies, negatives
from verifier.bounding.methods import AlphaCrown, Crown, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.graph.build import Builder
from verifier.graph.graph import Graph, Node
from verifier.graph.ops.activation import Relu, Sigmoid
from verifier.graph.ops.dense import Linear
from verifier.graph.ops.shape import Gather
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.numerics import flat
from verifier.regions import box


@given(st.lists(st.sampled_from(sorted(ALL)), min_size=1, max_size=4), st.integers(0, 999))
def test_copies_are_equal_at_every_input(layers: list[str], seed: int) -> None:
    graph = network((2, 3), layers, seed)
    values = node_values(graph, torch.randn(4, *graph.input.shape, dtype=torch.float64))
    for node in graph.nodes:
        first = copies(graph, node)
        if first is not None:
            y = flat(values[node.name], 1)
            assert torch.equal(y.nan_to_num(), y[:, first].nan_to_num())


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (3, 4)])
def test_negatives_are_negative(shape: tuple[int, ...]) -> None:
    node = Node("d", Differences(), ("x",), (*shape, shape[-1] - 1))
    y = flat(node.op.forward(torch.randn(7, *shape, dtype=torch.float64)), 1)
    negative = negatives(node)
    if shape == (1,):
        assert negative is None
    else:
        assert negative is not None
        assert torch.equal(y, -y[:, negative])


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=3)])
def test_differences_are_bounded_once(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, ends = torch.Generator().manual_seed(5), torch.ones(1, 3, dtype=torch.float64)
    build = Builder("x", (3,))
    name = build.add(Linear(torch.randn(4, 3, dtype=torch.float64, generator=generator)), "x", name="first")
    name = build.add(Relu(), name, name="relu")
    name = build.add(Linear(torch.randn(3, 4, dtype=torch.float64, generator=generator)), name, name="second")
    name = build.add(Differences(), name, name="differences")
    graph = build.finish(build.add(Softmax(True), name, name="out"), {})
    found = propagate(graph, box(-ends, ends), method, None, Options(proof=True)).table["differences"]
    monkeypatch.setattr(bounding, "twins", lambda graph, node: Twins())
    alone = propagate(graph, box(-ends, ends), method, None, Options(proof=True)).table["differences"]
    assert torch.allclose(found.lower, alone.lower, atol=1e-4)
    assert torch.allclose(found.upper, alone.upper, atol=1e-4)


def repeated() -> Graph:
    """Six sigmoids of two sums of ReLUs, some of them the same."""
    generator = torch.Generator().manual_seed(3)
    build = Builder("x", (3,))
    name = build.add(Linear(torch.randn(4, 3, dtype=torch.float64, generator=generator)), "x", name="first")
    name = build.add(Relu(), name, name="relu")
    name = build.add(Linear(torch.randn(2, 4, dtype=torch.float64, generator=generator)), name, name="second")
    name = build.add(Gather(torch.tensor([1, 0, 0, 1, 1, 0]), 0), name, name="again")
    return build.finish(build.add(Sigmoid(), name, name="out"), {})


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=3)])
def test_all_copies_get_the_interval_of_the_first(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, ends = repeated(), torch.ones(1, 3, dtype=torch.float64)
    region = box(-ends, ends)
    first = copies(graph, graph.by_name["again"])
    assert first is not None
    assert first.tolist() == [0, 1, 1, 0, 0, 1]
    found = propagate(graph, region, method, None, Options(proof=True)).table["again"]
    assert torch.equal(found.lower, found.lower[:, first])
    monkeypatch.setattr(bounding, "twins", lambda graph, node: Twins())
    alone = propagate(graph, region, method, None, Options(proof=True)).table["again"]
    assert torch.allclose(found.lower, alone.lower, atol=1e-4)
    assert torch.allclose(found.upper, alone.upper, atol=1e-4)
