"""Rewrites change no value: on small integers everything is exact, so equal means equal."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Reduce, Shift
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Stack
from verifier.graph.ops.smooth import Power
from verifier.graph.passes.exact import simplified
from verifier.graph.passes.mirrored import opposite

SEEDS = st.integers(0, 2**20)


def small(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(-2, 3, shape, generator=generator).double()


def mirrored_network(generator: torch.Generator, width: int, bias: bool) -> Graph:
    """Two ReLU layers whose rows are shuffled copies and negatives of few."""
    builder, name = Builder("x", (1, 3)), "x"
    size = 3
    for layer in range(2):
        few = torch.cat([small(generator, width, size), small(generator, width, 1) * bias], 1)
        rows = torch.cat([few, -few, few])[torch.randperm(3 * width, generator=generator)]
        name = builder.add(Linear(rows[:, :size]), name, name=f"product{layer}")
        name = builder.add(Shift(rows[:, size:].T), name, name=f"shift{layer}")
        name = builder.add(Relu(), name, name=f"relu{layer}")
        name = builder.add(Linear(small(generator, 4, 3 * width)), name, name=f"out{layer}")
        size = 4
    return builder.finish(name, {})


def relus(graph: Graph) -> int:
    return sum(node.shape[-1] for node in graph.nodes if isinstance(node.op, Relu))


@given(SEEDS, st.integers(1, 6), st.booleans())
def test_the_function_stays(seed: int, width: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    graph = mirrored_network(generator, width, bias)
    x = small(generator, 50, 1, 3)
    assert torch.equal(simplified(graph)(x), graph(x))


@given(SEEDS, st.integers(1, 8), st.booleans())
def test_pairs_are_opposite_and_apart(seed: int, count: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, shift = small(generator, 2 * count, 2), small(generator, 2 * count) if bias else None
    first, second = opposite(weight, shift)
    assert torch.equal(weight[first], -weight[second])
    assert shift is None or torch.equal(shift[first], -shift[second])
    assert len(torch.cat([first, second]).unique()) == 2 * len(first)


@given(SEEDS, st.integers(1, 20))
def test_every_pair_is_found(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    few = torch.randn(count, 5, generator=generator).double()
    first, _ = opposite(torch.cat([few, -few])[torch.randperm(2 * count, generator=generator)], None)
    assert len(first) == count


def test_a_minimum_of_two_needs_one_relu() -> None:
    """2 min(a, b) = relu(a + b) - relu(-a - b) - relu(a - b) - relu(b - a)."""
    builder = Builder("x", (2,))
    four = torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]]).double()
    relu = builder.add(Relu(), builder.add(Linear(four), "x", name="four"), name="relu")
    least = builder.add(Linear(torch.tensor([[0.5, -0.5, -0.5, -0.5]]).double()), relu, name="min")
    graph = simplified(builder.finish(least, {}))
    assert relus(graph) == 1
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)).double()
    assert torch.allclose(graph(x)[:, 0], x.amin(1), rtol=1e-14, atol=1e-14)


def test_pairs_that_only_make_a_line_leave_no_relu() -> None:
    """relu(x + 1) - relu(-x - 1) = x + 1: networks whose ReLUs were split, to be harder, have whole layers of these."""
    builder, eye = Builder("x", (2,)), torch.eye(2).double()
    two = builder.add(Linear(torch.cat([eye, -eye]), torch.tensor([1.0, 0, -1, 0]).double()), "x", name="two")
    relu = builder.add(Relu(), two, name="relu")
    line = builder.add(Linear(torch.cat([eye, -eye], 1), torch.tensor([0.0, 3]).double()), relu, name="line")
    graph = simplified(builder.finish(line, {}))
    assert relus(graph) == 0
    x = small(torch.Generator().manual_seed(0), 20, 2)
    assert torch.equal(graph(x), x + torch.tensor([1.0, 3]))


def test_a_sum_that_rounds_keeps_both() -> None:
    """1 + 2^-60 is no float64: nothing is rewritten there."""
    builder = Builder("x", (1,))
    two = builder.add(Linear(torch.tensor([[1.0], [-1.0]]).double()), "x", name="two")
    relu = builder.add(Relu(), two, name="relu")
    out = builder.add(Linear(torch.tensor([[1.0, 2.0**-60]]).double()), relu, name="out")
    assert relus(simplified(builder.finish(out, {}))) == 2


def test_what_others_read_stays() -> None:
    """A ReLU that is the output keeps its shape."""
    builder = Builder("x", (1,))
    two = builder.add(Linear(torch.tensor([[1.0], [-1.0]]).double()), "x", name="two")
    graph = builder.finish(builder.add(Relu(), two, name="relu"), {})
    assert simplified(graph).output_shape == (2,)


def weighted_mean(weight: Tensor, axis: int = 1) -> Graph:
    """`weight @ (x / sum(x))`."""
    builder = Builder("x", (1, weight.shape[1]))
    inverse = builder.add(Power(-1.0), builder.add(Reduce((axis,), True), "x", name="sum"), name="inverse")
    shares = builder.add(Product(), builder.add(Stack(), "x", inverse, name="pair"), name="shares")
    return builder.finish(builder.add(Linear(weight), shares, name="mean"), {})


@given(SEEDS, st.integers(2, 6), st.integers(1, 3))
def test_weighted_means_stay(seed: int, count: int, out: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-400, 400, (out, count), generator=generator).double()
    graph = weighted_mean(weight)
    x = torch.rand(50, 1, count, generator=generator).double() + 0.1
    y = simplified(graph)(x)
    assert torch.allclose(y, graph(x), rtol=1e-12, atol=1e-9)


def test_a_mean_needs_one_product() -> None:
    graph = simplified(weighted_mean(torch.tensor([[10.0, 20, 40, 80, 160, 320]]).double()))
    products = [node for node in graph.nodes if isinstance(node.op, Product)]
    assert [node.shape for node in products] == [(1, 1)]


def test_the_sum_of_something_else_is_no_mean() -> None:
    """Divided by the sum along another axis, shares don't sum to one along the last."""
    graph = weighted_mean(torch.tensor([[1.0, 3.0]]).double(), axis=0)
    x = torch.tensor([[[0.5, 0.25]]]).double()
    assert len(simplified(graph).nodes) == len(graph.nodes)
    assert torch.equal(simplified(graph)(x), graph(x))
