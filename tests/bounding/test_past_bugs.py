"""Bugs that these tests found once. Each stays as its own small case."""

import pytest
import torch
from torch import Tensor

from verifier.bounding.coefficient import Unit
from verifier.bounding.methods import AlphaCrown, Crown, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.bounding.state import State
from verifier.bounding.windows import Windows
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu, Sigmoid
from verifier.graph.ops.conv import Conv
from verifier.graph.ops.dense import Linear, Sum
from verifier.graph.ops.shape import Pad
from verifier.properties import Specification
from verifier.regions import ball, box

PROOF = Options(proof=True)


def real(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def each_entry(count: int, batch: int) -> Specification:
    rows = torch.eye(count, dtype=torch.float64).unsqueeze(1).expand(-1, batch, -1)
    return Specification(rows, torch.zeros(count, batch, dtype=torch.float64), tuple(range(count)))


def test_zonotope_branches_have_symbols_of_their_own() -> None:
    """`relu(x + y) - relu(x - y)` reaches 2 and -2; symbols shared by both branches cancelled it to 1 and -1."""
    builder = Builder("x", (2,))
    parts = [builder.add(Linear(real(row)), builder.input, name="part") for row in ([1.0, 1.0], [1.0, -1.0])]
    parts = [builder.add(Relu(), part, name="relu") for part in parts]
    graph = builder.finish(builder.add(Sum((1, -1)), *parts, name="difference"), {})
    region = box(-torch.ones(1, 2), torch.ones(1, 2))
    found = propagate(graph, region, Zonotope(), None, PROOF).table[graph.output]
    assert float(found.lower) <= -2.0
    assert float(found.upper) >= 2.0


def test_windows_do_not_reach_behind_a_crop() -> None:
    """What a window's padding holds beside a cropped map must not meet the entries that were cropped away."""
    gen = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=gen)
    builder = Builder("x", (1, 2, 8, 8))
    crop = builder.add(Pad(((0, 0), (0, 0), (-2, -1), (-1, -2))), builder.input, name="crop")
    graph = builder.finish(builder.add(Conv(weight, None, (1, 1), (1, 1), (1, 1), 1), crop, name="conv"), {})
    shape = torch.Size(graph.output_shape)
    region = box(torch.zeros(1, 1, 2, 8, 8), torch.rand(1, 1, 2, 8, 8, generator=gen))
    state = State(graph, region, False)
    for node in graph.nodes:
        state.enter(node)
    index, like = torch.arange(shape.numel()).unsqueeze(1), region.box().lower
    small = state.backward().bound(graph.output, Windows.units(index, shape, like))
    assert torch.allclose(small, state.backward().bound(graph.output, Unit(index, shape, like)))


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_walk_may_end_in_constants(value: float) -> None:
    """Both sides of an entry that depends on a constant only; a proof widens it, so that a sigmoid sees it as open."""
    builder = Builder("x", (2,))
    constant = builder.add(Sigmoid(), builder.constant(real(value, 2.0), "constant"), name="sigmoid")
    graph = builder.finish(builder.add(Sum((1, 1)), constant, builder.input, name="sum"), {})
    region = box(torch.zeros(1, 2), torch.ones(1, 2))
    rows = propagate(graph, region, Crown(), each_entry(2, 1), PROOF).rows
    assert rows is not None
    assert torch.allclose(rows[:, 0], real(value, 2.0).sigmoid())


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=2)])
@pytest.mark.parametrize("p", [1, 2])
def test_first_layer_behind_a_ball(method: Method, p: int) -> None:
    """No slope lies between the first layer and a ball: there is nothing to optimise, and nothing to divide by."""
    gen = torch.Generator().manual_seed(1)
    builder = Builder("x", (3,))
    hidden = builder.add(Linear(torch.randn(3, 3, dtype=torch.float64, generator=gen)), builder.input, name="hidden")
    graph = builder.finish(builder.add(Relu(), hidden, name="relu"), {})
    region = ball(torch.rand(2, 3, generator=gen), 0.3, p, 0.0, 1.0)  # type: ignore[arg-type]
    rows = propagate(graph, region, method, each_entry(3, 2), Options()).rows
    assert rows is not None
    assert rows.isfinite().all()


@pytest.mark.parametrize("shared", [False, True])
def test_a_proof_by_slopes_is_about_the_rows_as_given(shared: bool) -> None:
    """0.1 is more in float32 than in float64: the proof was one for the rounded row, and its bound was too high."""
    builder = Builder("x", (1,))
    hidden = builder.add(Linear(real([1.0])), builder.input, name="hidden")
    graph = builder.finish(builder.add(Relu(), hidden, name="relu"), {})
    point = torch.ones(1, 1)
    specification = Specification(real([[0.1]]), real([0.0]), (0,))
    rows = propagate(graph, box(point, point), AlphaCrown(steps=1, shared=shared), specification, PROOF).rows
    assert rows is not None
    assert 0.1 - 1e-12 <= float(rows) <= 0.1
