"""The checker's operators, against those of the graph and against points."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from verifier.certificates.affine import mapped
from verifier.certificates.numbers import Numbers
from verifier.certificates.rules import Rectifier, rule
from verifier.graph.op import Affine, Op
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu, Sigmoid, Tanh
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Constant, Contract, Linear, Multiply, Reduce, Scale, Shift, Sum
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Concat, Expand, Gather, Pad, Pick, Reshape, Stack, Transpose
from verifier.graph.ops.softmax import Differences
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.relaxations.product import ProductRelaxation

GEN = torch.Generator().manual_seed(0)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GEN, dtype=torch.float64)


def sparse(rows: int, columns: int) -> Tensor:
    """Up to two entries in a row, and some rows without any."""
    weight = torch.zeros(rows, columns, dtype=torch.float64)
    for _ in range(2):
        weight[torch.arange(rows // 2), torch.randperm(columns, generator=GEN)[: rows // 2]] += random(rows // 2)
    return weight


def places(*values: object) -> Tensor:
    return torch.tensor(values)


AFFINE: list[tuple[Affine, list[tuple[int, ...]]]] = [
    (Linear(random(3, 4), random(3)), [(2, 4)]),
    (Linear(sparse(150, 200), random(150)), [(2, 200)]),
    (Linear(torch.zeros(3, 70, dtype=torch.float64)), [(70,)]),
    (Multiply(random(5, 3, 2), True), [(2, 4)]),
    (Multiply(random(5, 4, 2), False), [(1, 2, 4)]),
    (Contract("nab,bc->nca", random(3, 4)), [(2, 3)]),
    (Conv(random(4, 1, 3, 2), random(4), (2, 1), (1, 1), (1, 2), 2), [(1, 2, 7, 5)]),
    (Conv(random(4, 2, 3), None, (3,), (0,), (1,), 1), [(2, 2, 8)]),
    (Conv(random(2, 1, 2, 2, 2), None, (1, 2, 1), (1, 0, 0), (1, 1, 1), 1), [(1, 1, 3, 4, 3)]),
    (ConvTranspose(random(4, 2, 3, 2), random(4), (2, 1), (1, 0), (1, 0), (1, 1), 2), [(1, 4, 4, 5)]),
    (Scale(random(3, 1)), [(3, 4)]),
    (Scale(random(2, 3, 1)), [(4,)]),
    (Shift(random(3, 1)), [(3, 4)]),
    (Sum((1, -1, 1)), [(3, 4), (4,), (1, 1)]),
    (Reduce((0,), False), [(3, 4)]),
    (Reduce((1,), True), [(3, 4)]),
    (Constant(random(3)), []),
    (Differences(), [(3, 4)]),
    (Reshape((2, 6)), [(3, 4)]),
    (Transpose((1, 2, 0)), [(3, 4, 2)]),
    (Concat(1), [(3, 4), (3, 2)]),
    (Stack(), [(3, 4), (4,)]),
    (Gather(places([0, 2], [2, 2]), 0), [(3, 4)]),
    (Pick(places([0, 2], [2, 5])), [(3, 4)]),
    (Expand((2, 3, 4)), [(3, 1)]),
    (Pad(((1, -1), (0, 2)), 0.5), [(3, 4)]),
]
NAMES = [op.label for op, _ in AFFINE]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("op", "shapes"), AFFINE, ids=NAMES)
def test_maps_agree_with_the_graph(op: Affine, shapes: Sequence[tuple[int, ...]], exact: bool) -> None:
    numbers, xs = Numbers(exact), [random(2, *shape) for shape in shapes]
    y = op.forward(*xs)
    out = tuple(y.shape[1:])
    found, columns = mapped(op, shapes, out, numbers), [numbers.array(flat(x, 1).numpy()) for x in xs]
    value = found.forward(columns, False)
    value = value if found.offset is None else value + found.offset
    assert np.allclose(value.astype(float), flat(y, 1).numpy())
    assert np.allclose(found.forward(columns, True).astype(float), flat(op.abs().forward(*xs), 1).numpy())
    a = random(2, *out)
    back = found.transpose(numbers.array(flat(a, 1).numpy()))
    for ours, theirs in zip(back, op.transport(a, [torch.Size(s) for s in shapes]), strict=True):
        assert np.allclose(ours.astype(float), flat(theirs, 1).numpy())


CURVED: list[tuple[Op, tuple[int, ...]]] = [
    (Relu(), (6,)),
    (LeakyRelu(torch.tensor([0.1, -0.5, 2.0, 0.0, 1.0, 0.3], dtype=torch.float64)), (6,)),
    (Abs(), (6,)),
    (Clip(torch.tensor(-0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)), (6,)),
    (Clip(torch.tensor(-torch.inf, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)), (6,)),
    (Max(), (2, 3)),
    (Product(), (3, 2)),
    (Sigmoid(), (6,)),
    (Tanh(), (6,)),
]


@pytest.mark.parametrize(("op", "shape"), CURVED, ids=[op.label for op, _ in CURVED])
@given(seed=st.integers(0, 10**6), size=st.sampled_from((1e-6, 0.1, 1.0, 30.0)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lines_and_intervals_enclose(op: Op, shape: tuple[int, ...], seed: int, size: float) -> None:
    """Whatever the slopes: lines lie below and above at points of the interval, and images contain values."""
    gen = np.random.default_rng(seed)
    ends = np.sort(size * gen.normal(size=(2, 1, 6)), axis=0)
    ends[:, :, gen.integers(6)] = 0.0  # a point
    lower, upper = ends
    own = rule(op, shape, Numbers())
    low, high = gen.normal(size=(2, 1, 6)) * 2
    line = own.lines(lower, upper, low, high)
    share = gen.integers(0, 5, (200, 6)) / 4
    x = np.minimum(np.maximum(lower * (1 - share) + upper * share, lower), upper)
    y = flat(op.forward(torch.from_numpy(x).reshape(-1, *shape)), 1).numpy()

    def at(slope: np.ndarray) -> np.ndarray:
        return (slope * x).reshape(len(x), -1, own.group).sum(-1)

    least = 0.0 if line.least is None else line.least
    noise = 1e-12 * (1 + abs(at(line.low)) + abs(at(line.high)) + abs(y))
    assert (at(line.low) + least <= y + noise).all()
    assert (at(line.high) + line.greatest >= y - noise).all()
    image = own.image(lower, upper)
    assert (image[0] <= y).all()
    assert (y <= image[1]).all()
    fixed, slope = own.linear(lower, upper)
    if isinstance(own, Rectifier):
        assert ((slope * x == y) | ~fixed).all()


def test_shares_and_sums() -> None:
    """A byte means the same in both arithmetics up to rounding; sums are rounded downwards, and not where exact."""
    floats, fractions = Numbers(), Numbers(exact=True)
    every = np.arange(256, dtype=np.uint8)
    assert np.allclose(floats.shares(every), fractions.shares(every).astype(float), rtol=1e-15)
    a, b = np.array([0.1, 1.0, 1e300, -0.1]), np.array([0.2, 2.0, 1.0, 1e-30])
    exact = fractions.array(a) + fractions.array(b)
    below = fractions.array(floats.below(a, b))
    assert (below <= exact).all()
    assert below[1] == exact[1]
    with pytest.raises(ValueError, match="no fractions"):
        fractions.array(np.array([np.inf]))
    with pytest.raises(ValueError, match="no useful"):
        floats.gamma(2**50)


@pytest.mark.parametrize("exact", [False, True])
def test_usual_planes_are_those_of_the_search(exact: bool) -> None:
    """Products, some with a factor that is a point."""
    center, radius = random(40, 3, 2), random(40, 3, 2).abs() * (torch.rand(40, 3, 2, generator=GEN) > 0.2)
    x, numbers = Interval(center - radius, center + radius), Numbers(exact)
    guess = ProductRelaxation().guess(Product(), x)
    low, high = (numbers.array(flat(end, 1).numpy()) for end in (x.lower, x.upper))
    lines = rule(Product(), (3, 2), numbers).standard(low, high)
    assert lines is not None
    for ours, theirs in ((lines.low, guess.lower), (lines.high, guess.upper)):
        assert np.allclose(ours.astype(float), flat(theirs, 1).numpy(), atol=1e-12)
