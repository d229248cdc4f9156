"""What a proof says of the network as float32 computes it: its rounding is within the bounds, in any order of sums."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.nets import network
from laws.strategies import EVERYTHING, SCALES, SHAPES

from verifier.bounding.coefficient import Dense
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.bounding.state import State
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Reduce
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.properties import Specification
from verifier.regions import Box, box

METHODS: tuple[Method, ...] = (Ibp(), Crown(), Crown(intermediate=False), AlphaCrown(steps=2), Zonotope())


def both_sides(graph: Graph) -> Specification:
    eye = torch.eye(torch.Size(graph.output_shape).numel(), dtype=torch.float64)
    rows = torch.cat([eye, -eye]).reshape(-1, 1, *graph.output_shape)
    return Specification(rows, torch.zeros(len(rows), 1, dtype=torch.float64), tuple(range(len(rows))))


def point(shape: tuple[int, ...], seed: int) -> Box:
    x = torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed)).double()
    return box(x, x)


def outside(graph: Graph, region: Box, method: Method, deployed: torch.dtype | None) -> bool:
    """Is some output that float32 computes at the region's only point outside of its proven bounds?"""
    single = graph.to(torch.float32)(region.outer.lower.float()).double()
    found = propagate(graph, region, method, both_sides(graph), Options(proof=True, deployed=deployed))
    assert found.rows is not None
    low, high = found.rows.chunk(2)
    interval = found.table[graph.output]
    y = single.flatten(1).T
    return bool(
        (y < low).any() or (y > -high).any() or (single < interval.lower).any() or (single > interval.upper).any()
    )


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(EVERYTHING), min_size=1, max_size=6),
    st.integers(0, 10**6),
    st.sampled_from(SCALES),
    st.sampled_from(METHODS),
)
def test_float32_stays_within(
    shape: tuple[int, ...], layers: list[str], seed: int, scale: float, method: Method
) -> None:
    graph = network(shape, tuple(layers), seed, scale)
    assert not outside(graph, point(shape, seed), method, torch.float32)


def test_the_law_can_fail() -> None:
    """Bounds of the network over the reals are too narrow for it."""
    graphs = [network((5,), ("linear", "relu", "linear"), seed, 1.0) for seed in range(20)]
    assert any(outside(graph, point((5,), 3), Crown(), None) for graph in graphs)


def test_rounded_shares_do_not_sum_to_one() -> None:
    """Over the reals a softmax sums to one exactly; as float32 computes it, it doesn't."""
    builder = Builder("x", (4,))
    at = builder.add(Softmax(whole=True), builder.add(Differences(), builder.input, name="d"), name="p")
    graph = builder.finish(builder.add(Reduce((0,), True), at, name="sum"), {})
    region = point((4,), 0)
    rows = Specification(
        torch.ones(1, 1, 1, dtype=torch.float64), torch.full((1, 1), -1 + 1e-9, dtype=torch.float64), (0,)
    )
    real = propagate(graph, region, Crown(), rows, Options(proof=True)).rows
    rounded = propagate(graph, region, Crown(), rows, Options(proof=True, deployed=torch.float32)).rows
    assert real is not None
    assert rounded is not None
    assert float(real) > 0 > float(rounded)


@pytest.mark.parametrize("deployed", [None, torch.float32])
def test_what_is_lost_before_two_nonlinearities_in_a_row_is_counted(deployed: torch.dtype | None) -> None:
    """`relu(relu(big * a - big * b + c))` with a = b = 1: the sum's rounding was charged to the first reader, and that
    one's own to the second, which forgot the sum's."""
    big = 1e8 if deployed is not None else 1e17
    builder = Builder("x", (3,))
    weight = torch.tensor([[big, 1.0, -big]], dtype=torch.float64)
    once = builder.add(Relu(), builder.add(Linear(weight), builder.input, name="sum"), name="once")
    graph = builder.finish(builder.add(Relu(), once, name="twice"), {})
    x = torch.ones(1, 3, dtype=torch.float64)
    state = State(graph, box(x, x), True, deployed=deployed)
    for node in graph.nodes:
        state.enter(node)
    rows = torch.ones(1, 1, 1, dtype=torch.float64)
    assert float(state.backward().bound("twice", Dense(rows))) <= 0
