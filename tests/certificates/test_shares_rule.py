"""The checker's softmax beside 50 digits: planes lie below and above for any slopes, over any box."""

from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.certificates import law_accepted
from laws.searches import Own
from mpmath import mpf

from verifier.bounding.methods import Crown
from verifier.certificates.numbers import Numbers
from verifier.certificates.operators import Network
from verifier.certificates.rules import rule
from verifier.certificates.table import Table
from verifier.certificates.walk import Walk
from verifier.errors import UnsupportedModel
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.dense import Linear, Scale
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.interval import Interval
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.relaxations.table import RELAXATIONS

OP = Softmax()
FAR = np.array([0.0, 1e-12, 1e-3, 1.0, 5.0, 40.0, 350.0, 700.0, 1e4])


def boxes(gen: np.random.Generator, count: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    center = gen.choice(FAR, (count, others)) * gen.normal(size=(count, 1)) + gen.normal(size=(count, others))
    reach = gen.choice(FAR, (count, 1)) * gen.random((count, others))
    return (center - reach).reshape(1, -1), (center + reach).reshape(1, -1)


@given(seed=st.integers(0, 10**6), others=st.integers(1, 5))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_planes_enclose_for_any_slope(seed: int, others: int) -> None:
    gen, count = np.random.default_rng(seed), 6
    lower, upper = boxes(gen, count, others)
    own = rule(OP, (count, others), Numbers())
    with np.errstate(all="ignore"):
        ranges = own.range(lower, upper)
        usual = [low + gen.random(lower.shape) * (high - low) for low, high in ranges]
        wild = gen.choice([0.0, 1e-6, 0.2, 1.0, 1e100], lower.shape) * gen.normal(size=lower.shape)
        low, high = (np.where(gen.random(lower.shape) < 0.8, x, wild) for x in usual)
        line, image = own.lines(lower, upper, low, high), own.image(lower, upper)
    assert line.least is not None
    assert not np.isnan([line.least, line.greatest, *image]).any()
    share = np.concatenate(
        [gen.integers(0, 2, (8, lower.size)), gen.random((6, lower.size)), np.full((1, 1), 0.5) + 0 * lower]
    )
    x = np.clip(lower * (1 - share) + upper * share, lower, upper)
    with mpmath.workdps(50):
        for point in x.reshape(len(x), count, others):
            for k in range(count):
                part = slice(k * others, (k + 1) * others)
                y = 1 / (1 + mpmath.fsum(mpmath.exp(mpf(v)) for v in point[k]))
                below = mpmath.fsum(mpf(s) * mpf(v) for s, v in zip(line.low[0, part], point[k], strict=True))
                above = mpmath.fsum(mpf(s) * mpf(v) for s, v in zip(line.high[0, part], point[k], strict=True))
                assert below + mpf(line.least[0, k]) <= y
                assert above + mpf(line.greatest[0, k]) >= y
                assert image[0][0, k] <= y <= image[1][0, k]


def test_as_tight_as_the_search() -> None:
    gen = np.random.default_rng(3)
    ends = np.sort(gen.normal(size=(2, 200, 4)) * 2, axis=0)
    x, theirs = Interval(*map(torch.from_numpy, ends)), RELAXATIONS[Softmax]
    lower, upper = (end.reshape(1, -1) for end in ends)
    own = rule(OP, (200, 4), Numbers())
    for ours, bounds in zip(zip(*own.range(lower, upper), strict=True), theirs.range(OP, x), strict=True):
        assert np.allclose(ours[0], bounds.lower.reshape(1, -1).numpy())
        assert np.allclose(ours[1], bounds.upper.reshape(1, -1).numpy())
    slopes = theirs.guess(OP, x)
    usual, line = (
        theirs.lines(OP, x, slopes),
        own.lines(lower, upper, slopes.lower.reshape(1, -1).numpy(), slopes.upper.reshape(1, -1).numpy()),
    )
    assert usual.least is not None
    assert usual.greatest is not None
    assert line.least is not None
    assert (line.least[0] >= usual.least.numpy() - 1e-9).all()
    assert (line.greatest[0] <= usual.greatest.numpy() + 1e-9).all()


def test_what_is_no_number_says_nothing() -> None:
    own = rule(OP, (1, 2), Numbers())
    bad = np.array([[np.nan, -np.inf]]), np.array([[np.nan, np.inf]])
    with np.errstate(all="ignore"):
        low, high = own.image(*bad)
        line = own.lines(*bad, np.zeros((1, 2)), np.zeros((1, 2)))
    assert line.least is not None
    assert low[0, 0] == 0
    assert high[0, 0] == 1
    assert line.least[0, 0] <= 0
    assert line.greatest[0, 0] >= 1


def test_a_single_entry_has_no_rule() -> None:
    with pytest.raises(UnsupportedModel, match="one entry"):
        rule(OP, (3, 0), Numbers())


def averaged(*before: Op) -> Graph:
    """The sum of a softmax's three shares, and of what it reads a scaled one."""
    builder = Builder("x", (3,))
    last = builder.input
    for op in (Differences(), *before, Softmax(whole=True), Linear(torch.ones(1, 3, dtype=torch.float64))):
        last = builder.add(op, last, name=op.label)
    return builder.finish(last, {})


def test_shares_sum_to_one(tmp_path: Path) -> None:
    """A row that weighs all shares alike needs no lines."""
    graph = averaged()
    least = Specification(torch.ones(1, 1, 1).double(), torch.full((1, 1), 0.01 - 1).double(), (0,))
    asked = Problem(Model(graph, Own(graph), "test"), box(-3 * torch.ones(1, 3), 3 * torch.ones(1, 3)), least)
    assert law_accepted(asked, Crown(), tmp_path) == 1


def test_only_differences_make_shares() -> None:
    """What the reader promises of a softmax is not believed: of scaled differences shares sum to something else."""
    twice = averaged(Scale(torch.tensor([1.0, 2.0], dtype=torch.float64)))
    assert list(Network(averaged(), Numbers()).shares.values()) == [3]
    assert not Network(twice, Numbers()).shares
    x = torch.tensor([[1.0, -0.5, 0.25]], dtype=torch.float64)
    assert abs(float(averaged()(x)) - 1) < 1e-12
    assert abs(float(twice(x)) - 1) > 0.01


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_levels_change_no_row(seed: int) -> None:
    """Whatever number is moved, the row is the same function of shares."""
    gen, graph = np.random.default_rng(seed), averaged()
    name = next(iter(Network(graph, Numbers()).shares))
    table = Table(Network(graph, Numbers()))
    table.lower[name] = gen.random((2, 3)) / 4
    table.upper[name] = table.lower[name] + gen.random((2, 3)) * gen.integers(0, 2, (2, 3))
    a = gen.normal(size=(4, 2, 3))
    rest, level = Walk(table, {})._balanced(name, a)
    p = gen.random(3)
    p = p / p.sum()
    assert np.allclose(a @ p, rest @ p + level[..., 0])
    assert (np.sort(abs(rest), axis=-1)[..., 0] == 0).all()
