"""Walks that meet parts of images find what walks through all of them find."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.strategies import examples
from test_accepted import test_boxes_of_a_batch_are_bounded_as_in_the_search as boxes_of_a_batch

from verifier.bounding.relevance import relevant
from verifier.certificates import crops
from verifier.certificates.bounds import between
from verifier.certificates.crops import STRIP, Crop, near, parts
from verifier.certificates.numbers import ENTRIES, Array, Numbers
from verifier.certificates.operators import Network
from verifier.certificates.rule import Lines
from verifier.certificates.table import Table
from verifier.certificates.walk import Walk
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.activation import LeakyRelu, Relu, Sigmoid
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Linear, Scale, Shift, Sum
from verifier.graph.ops.shape import Gather, Reshape

BATCH, CHANNELS, START = 2, 4, "asked"
ALONG = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 3), st.integers(1, 2))  # of one axis


class Images:
    """A network of images that grows op by op, until they get too small."""

    def __init__(self, space: tuple[int, ...], seed: int) -> None:
        self.gen = torch.Generator().manual_seed(seed)
        self.builder = Builder("x", (BATCH, CHANNELS, *space))
        self.at, self.shape = self.builder.input, (BATCH, CHANNELS, *space)

    def random(self, *shape: int) -> torch.Tensor:
        """Few binary digits, so that fractions stay short."""
        return torch.randint(-4, 5, shape, generator=self.gen).double() / 4

    def add(self, op: Op, *arguments: str) -> str:
        self.at = self.builder.add(op, *(arguments or (self.at,)), name=type(op).__name__)
        return self.at

    def convolve(self, axes: list[tuple[int, int, int, int]], groups: int) -> None:
        kernel, stride, padding, dilation = zip(*axes, strict=True)
        ends = zip(self.shape[2:], kernel, stride, padding, dilation, strict=True)
        space = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in ends]
        if min(space) < 2:
            return
        weight, bias = self.random(CHANNELS, CHANNELS // groups, *kernel), self.random(CHANNELS)
        self.add(Conv(weight, bias, stride, padding, dilation, groups))
        self.shape = (*self.shape[:2], *space)

    def widen(self) -> None:
        """A transposed convolution, which is met as a whole."""
        none, one = (0,) * (len(self.shape) - 2), (1,) * (len(self.shape) - 2)
        self.add(ConvTranspose(self.random(CHANNELS, CHANNELS, *(2 for _ in one)), None, one, none, none, one, 1))
        self.shape = (*self.shape[:2], *(n + 1 for n in self.shape[2:]))

    def bend(self, op: Op) -> None:
        self.add(op)

    def skip(self, around: list[tuple[int, int, int, int]]) -> None:
        """What is there, and the same after more ops, together."""
        before, shape = self.at, self.shape
        self.convolve([(3, 1, 1, 1)] * len(around), 1)
        self.bend(Relu())
        if self.shape == shape:
            self.add(Sum((1, -1)), before, self.at)
        self.add(Scale(self.random(CHANNELS, *(1,) * (len(shape) - 2))))
        self.add(Shift(self.random(CHANNELS, *(1,) * (len(shape) - 2))))

    def finish(self) -> Graph:
        self.at = self.builder.add(Sum((1,)), self.at, name=START)
        self.add(Relu())
        return self.builder.finish(self.at, {})


@st.composite
def images(draw: st.DrawFn, bends: tuple[Op, ...]) -> Graph:
    rank = draw(st.integers(1, 2))
    made = Images(tuple(draw(st.integers(4, 9)) for _ in range(rank)), draw(st.integers(0, 1000)))
    for kind in draw(st.lists(st.sampled_from(["conv", "conv", "bend", "skip", "widen"]), min_size=2, max_size=5)):
        axes = [draw(ALONG) for _ in range(rank)]
        match kind:
            case "conv":
                made.convolve(axes, draw(st.sampled_from([1, 2])))
            case "bend":
                made.bend(draw(st.sampled_from(bends)))
            case "skip":
                made.skip(axes)
            case "widen":
                made.widen()
    return made.finish()


def table_of(graph: Graph, numbers: Numbers, boxes: int) -> Table:
    """By interval arithmetic, with level lines."""
    network, gen = Network(graph, numbers), np.random.default_rng(0)
    table = Table(network)
    size = int(np.prod(graph.input.shape))
    lower = numbers.array(-gen.integers(1, 5, (boxes, size)) / 4)
    upper = lower + numbers.array(gen.integers(0, 5, (boxes, size)) / 4)
    for node in graph.nodes:
        table.enter(node, (lower, upper))
        if node.nonlinear:
            (source,) = node.inputs
            table.lines[node.name] = between(network.rules[node.name], table.lower[source], table.upper[source], {})
    return table


def both(table: Table, index: Array) -> tuple[Array, Array]:
    """Bounds of entries by what they meet, and through everything."""
    network, walk = table.network, Walk(table, table.lines)
    return walk.entries(START, index, network.met(START, index)), walk.entries(START, index, network.whole)


def some(graph: Graph, boxes: int, seed: int, count: int = 3) -> Array:
    return np.random.default_rng(seed).integers(0, graph.by_name[START].size, (count, boxes))


@examples(60)
@given(images((Relu(), LeakyRelu(torch.tensor(0.25)), Sigmoid())), st.integers(1, 2), st.integers(0, 1000))
def test_bounds_are_the_same(graph: Graph, boxes: int, seed: int) -> None:
    cropped, whole = both(table_of(graph, Numbers(), boxes), some(graph, boxes, seed))
    np.testing.assert_allclose(cropped, whole, rtol=1e-9, atol=1e-9)


@examples(15)
@given(images((Relu(),)), st.integers(0, 1000))
def test_fractions_are_equal(graph: Graph, seed: int) -> None:
    cropped, whole = both(table_of(graph, Numbers(exact=True), 1), some(graph, 1, seed))
    assert (cropped == whole).all()


def deep(bend: Op) -> Graph:
    made = Images((20, 20), 1)
    for _ in range(3):
        made.convolve([(3, 1, 1, 1)] * 2, 1)
        made.bend(bend)
    return made.finish()


def test_few_entries_meet_little() -> None:
    graph = deep(Relu())
    seen = Network(graph, Numbers()).met(START, np.array([[0]]))
    assert seen[START].sizes == (BATCH, CHANNELS, 1, 1)
    assert seen[graph.input.name].sizes == (BATCH, CHANNELS, 4, 4)
    assert seen[graph.input.name].spans == ((0, 4), (0, 4))
    last = graph.by_name[START].size - 1
    assert Network(graph, Numbers()).met(START, np.array([[0, last]]))[START].spans is None


def test_images_with_fewer_axes_are_met_as_a_whole() -> None:
    made = Images((6, 6), 2)
    made.convolve([(3, 1, 1, 1)] * 2, 1)
    first = made.at
    made.add(Gather(torch.tensor(0), 0))
    made.add(Sum((1,)), made.at)
    made.shape = (1, CHANNELS, 6, 6)
    picked = made.at
    made.add(Gather(torch.tensor([0]), 0), first)
    made.add(Sum((1, 1)), made.at, picked)
    graph = made.finish()
    cropped, whole = both(table_of(graph, Numbers(), 1), np.array([[0]]))
    np.testing.assert_allclose(cropped, whole, rtol=1e-9, atol=1e-9)


def test_a_second_use_that_is_forgotten_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue 4: what a node is met for by one reader, without the other's."""
    made = Images((12, 12), 0)
    made.skip([(1, 1, 1, 1)] * 2)
    table, index = table_of(made.finish(), Numbers(), 1), np.array([[0]])
    np.testing.assert_allclose(*both(table, index), rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(crops, "_joined", lambda one, other: one)
    with pytest.raises(ValueError, match="more than it was to meet"):
        both(table, index)


def test_lines_of_other_boxes_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue 7: of a batch some boxes go on, with lines of the first ones."""
    boxes_of_a_batch()

    def first(self: Lines, boxes: Array) -> Lines:
        return Lines(*(x if x is None else x[: len(boxes)] for x in (self.low, self.high, self.least, self.greatest)))

    monkeypatch.setattr(Lines, "select", first)
    with pytest.raises(AssertionError):
        boxes_of_a_batch()


def test_where_a_part_lies_in_the_padding_only() -> None:
    made = Images((3, 3), 0)
    made.convolve([(1, 1, 3, 1)] * 2, 1)
    graph = made.finish()
    cropped, whole = both(table_of(graph, Numbers(), 1), np.array([[0]]))
    np.testing.assert_allclose(cropped, whole, rtol=1e-9, atol=1e-9)
    assert Network(graph, Numbers()).met(START, np.array([[0]]))[graph.input.name].size == BATCH * CHANNELS


@pytest.mark.parametrize("shape", [(7,), (2, 7), (1, 3, 11), (2, 3, 10, 5), (1, 2, 9, 3, 4)])
def test_every_entry_has_its_turn(shape: tuple[int, ...]) -> None:
    order = near(shape)
    assert np.array_equal(np.sort(order), np.arange(np.prod(shape)))
    if len(shape) == 4:
        strip = order[: shape[0] * shape[1] * STRIP]  # a column of the first strip
        assert set(np.unravel_index(strip, shape)[3].tolist()) == {0}


@given(st.integers(0, 300), st.integers(1, ENTRIES), st.integers(0, 1000))
def test_parts_cover_all_rows_and_fit(count: int, most: int, seed: int) -> None:
    widths = np.random.default_rng(seed).integers(1, most + 1, count)
    found = list(parts(count, lambda part: int(widths[part].max())))
    assert [row for part in found for row in range(part.start, part.stop)] == list(range(count))
    sizes = [(part.stop - part.start, widths[part].max()) for part in found]
    assert all(rows == 1 or rows * width <= ENTRIES for rows, width in sizes)


def test_a_part_in_its_place() -> None:
    crop = Crop((1, 1, 5), ((1, 4),))
    assert crop.index.tolist() == [1, 2, 3]
    assert crop.placed(np.array([[[[7.0, 8.0]]]]), ((2, 4),)).tolist() == [[0.0, 7.0, 8.0]]
    assert Crop((1, 1, 5), ((3, 5),)).placed(np.array([[[[7.0, 8.0]]]]), ((4, 6),)).tolist() == [[0.0, 7.0]]
    with pytest.raises(ValueError, match="more than it was to meet"):
        crop.placed(np.array([[[[7.0, 8.0]]]]), ((3, 6),))
    assert Crop((1, 1, 5), ((0, 1),)).placed(np.array([[[[7.0, 8.0]]]]), ((-3, -1),)).tolist() == [[0.0]]


def test_what_rows_depend_on() -> None:
    made = Images((9, 9), 3)
    made.skip([(1, 1, 1, 1)] * 2)
    made.convolve([(3, 2, 0, 1)] * 2, 2)
    made.finish()
    flat = made.add(Reshape((int(np.prod(made.shape)),)))
    made.add(Linear(torch.eye(int(np.prod(made.shape)), dtype=torch.float64)[[0, 5]], None), flat)
    graph = made.builder.finish(made.at, {})
    rows = np.array([[[1.0, 0.0]], [[-2.0, 0.0]]])
    mine, known = Network(graph, Numbers()).relevant(rows), relevant(graph, torch.from_numpy(rows))
    for name, mask in known.items():
        if name != graph.input.name:
            assert np.array_equal(mine[name], mask.reshape(-1).numpy()), name
    assert 0 < mine[START].sum() < mine[START].size
