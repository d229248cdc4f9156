"""How far: where the exact radius is known, the two ends enclose it, and are near."""

import math

import numpy as np
import pytest
import torch

from verifier.errors import InputError
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.graph.ops.opaque import Pointwise
from verifier.model import Model
from verifier.properties import robust
from verifier.radius import ABSOLUTE, RATIO, max_radius

WIDTH = 6


class Same:
    """An evaluator that runs the graph itself."""

    name = "the graph"

    def __init__(self, graph):
        self.graph = graph

    def __call__(self, x):
        return self.graph(torch.from_numpy(x).double()).numpy().astype(np.float32)


def network(*ops):
    builder = Builder("x", (WIDTH,))
    last = builder.input
    for number, op in enumerate(ops):
        last = builder.add(op, last, name=f"op{number}")
    graph = builder.finish(last, {})
    return Model(graph, Same(graph), "test")


@pytest.fixture
def linear():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, WIDTH, generator=generator, dtype=torch.float64)


@pytest.fixture
def points():
    return torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(1))


def labels(model, x):
    return model.graph(x.double()).argmax(1)


def search(model, x, **options):
    options = {"lower": -math.inf, "upper": math.inf, "start": 0.05, **options}
    found = list(max_radius(model, x, robust(labels(model, x), model.graph.output_shape), **options))
    assert sorted(far.index for far in found) == list(range(len(x)))
    return sorted(found, key=lambda far: far.index)


def near(low, high):
    return high - low <= max((RATIO - 1) * low, ABSOLUTE) * 1.05


@pytest.mark.parametrize(("norm", "dual"), [("inf", 1), ("2", 2), ("1", math.inf)])
def test_linear_networks_are_enclosed(linear, points, norm, dual):
    model = network(Linear(linear))
    difference = linear[0] - linear[1]
    exact = (points.double() @ difference).abs() / difference.norm(p=dual)
    for far, radius in zip(search(model, points, norm=norm), exact.tolist(), strict=True):
        assert far.verified < radius <= far.broken
        assert near(far.verified, radius)
        assert near(radius, far.broken)


@pytest.mark.parametrize("start", [1e-5, 0.01, 3.0, 1e6])
def test_start_does_not_matter_much(linear, points, start):
    model = network(Linear(linear))
    for far, other in zip(search(model, points, start=start), search(model, points), strict=True):
        if start > ABSOLUTE:
            assert far.verified == pytest.approx(other.verified, rel=0.03, abs=2 * ABSOLUTE)
        assert far.verified < far.broken


def test_a_witness_lies_within_the_broken_radius(linear, points):
    model = network(Linear(linear, torch.full((2,), 4.0).double()), Relu(), Linear(torch.eye(2).double()))
    for far in search(model, points):
        assert far.witness is not None
        step = torch.from_numpy(far.witness.witness).double() - points[far.index].double()
        assert step.abs().max() <= far.broken
        assert far.verified < far.broken


def test_the_whole_range_can_be_verified(points):
    """A constant network: nothing is ever broken, and no radius beyond the valid range is tried."""
    weight = torch.zeros(2, WIDTH, dtype=torch.float64)
    model = network(Linear(weight, torch.tensor([1.0, 0.0], dtype=torch.float64)))
    for far in search(model, points.clamp(0, 1), lower=0.0, upper=1.0, start=None):
        assert far.verified == 1.0
        assert far.broken == math.inf


def test_attacks_alone_verify_nothing(linear, points):
    for far in search(network(Linear(linear)), points, method="attack"):
        assert far.verified == 0
        assert far.proof is None
        assert far.broken < math.inf


def test_what_cannot_be_bounded_is_still_attacked(linear, points):
    model = network(Linear(linear), Pointwise("Sine", torch.sin))
    for far in search(model, points):
        assert far.verified == 0
        assert far.open is not None
        assert far.open.reason.name == "UNSUPPORTED"


def test_no_time(linear, points):
    for far in search(network(Linear(linear)), points, timeout=1e-9):
        assert far.open.reason.name == "TIME"
        assert far.verified < far.broken


@pytest.mark.parametrize("start", [0.0, None, math.nan])
def test_start_must_be_positive(linear, points, start):
    with pytest.raises(InputError, match="start"):
        search(network(Linear(linear)), points, start=start)
