"""Roundings and comparisons with zero, beside fractions: for any slope, on any interval."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.certificates.numbers import Numbers
from verifier.certificates.rules import rule
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops.activation import Ceil, Floor, NonZero, Positive, Round, Sign, Trunc
from verifier.interval import Interval
from verifier.relaxations.table import RELAXATIONS

OPS: list[Op] = [Sign(), Floor(), Ceil(), Round(), Trunc(), Positive(), NonZero()]
NAMES = [op.label for op in OPS]


def value(op: Op, x: Fraction) -> int:
    match op:
        case Sign():
            return (x > 0) - (x < 0)
        case Floor():
            return math.floor(x)
        case Ceil():
            return math.ceil(x)
        case Round():
            return round(x)
        case Trunc():
            return math.trunc(x)
        case Positive():
            return int(x > 0)
        case NonZero():
            return int(x != 0)
    raise TypeError(op.label)


def intervals(gen: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    ends = gen.choice([0.0, 0.5, 1.0, 3.0, 1e-300, 2.0**52, 2.0**54, 1e200], (2, count)) * gen.choice(
        [-1.0, 1.0, 0.7, -0.3], (2, count)
    ) + gen.choice([0.0, 0.5, 1.0, 2.0], (2, count))
    ends[1] = np.where(gen.random(count) < 0.2, ends[0], ends[1])
    return ends.min(0)[None], ends.max(0)[None]


@pytest.mark.parametrize("op", OPS, ids=NAMES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_lines_enclose_for_any_slope(op: Op, seed: int) -> None:
    gen = np.random.default_rng(seed)
    lower, upper = intervals(gen, 12)
    slope = gen.choice([0.0, 1.0, 0.3, 5e-324, 1e100], (1, 12)) * gen.choice([1.0, -1.0], (1, 12))
    own = rule(op, (12,), Numbers())
    line, image = own.lines(lower, upper, slope, slope), own.image(lower, upper)
    assert line.least is not None
    for k in range(12):
        low, high = Fraction(lower[0, k]), Fraction(upper[0, k])
        inner = [low + (high - low) * Fraction(int(i), 16) for i in range(17)]
        near = [end + side * step for end in (low, high) for side in (-1, 1) for step in (Fraction(1, 2), 1)]
        wholes = [Fraction(math.floor(p)) + half for p in inner for half in (0, Fraction(1, 2), 1)]
        just = [p + side * Fraction(1, 10**6) for p in (*wholes, Fraction(0)) for side in (-1, 1)]
        for x in (x for x in (*inner, *near, *wholes, *just, Fraction(0)) if low <= x <= high):
            y = value(op, x)
            assert Fraction(line.low[0, k]) * x + Fraction(line.least[0, k]) <= y, (float(x), low, high)
            assert Fraction(line.high[0, k]) * x + Fraction(line.greatest[0, k]) >= y, (float(x), low, high)
            assert image[0][0, k] <= y <= image[1][0, k], (float(x), low, high)


@pytest.mark.parametrize("op", OPS, ids=NAMES)
def test_as_tight_as_the_search(op: Op) -> None:
    gen = np.random.default_rng(0)
    ends = np.concatenate([gen.normal(size=(2, 1, 300)) * 3, gen.integers(-6, 7, (2, 1, 300)) / 2], axis=2)
    lower, upper = ends.min(0), ends.max(0)
    theirs, x = RELAXATIONS[type(op)], Interval(torch.from_numpy(lower), torch.from_numpy(upper))
    own, image = rule(op, (600,), Numbers()), theirs.image(op, x)
    assert (own.linear(lower, upper)[0] == theirs.linear(op, x).numpy()).all()
    assert (own.image(lower, upper)[0] == image.lower.numpy()).all()
    assert (own.image(lower, upper)[1] == image.upper.numpy()).all()
    slope = gen.normal(size=(1, 600))
    for ours, bound in zip(own.gap(lower, upper, slope), theirs.gap(op, x, torch.from_numpy(slope)), strict=True):
        assert np.allclose(ours, bound.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("op", OPS, ids=NAMES)
def test_what_is_no_number_says_nothing(op: Op) -> None:
    own = rule(op, (2,), Numbers())
    bad = np.array([[np.nan, -np.inf]]), np.array([[np.nan, np.inf]])
    with np.errstate(all="ignore"):
        low, high = own.image(*bad)
        assert not own.linear(*bad)[0].any()
    assert (low <= -1).all() or not isinstance(op, Sign | Floor | Ceil | Round | Trunc)
    assert (low <= 0).all()
    assert (high >= 1).all()


def test_fractions_have_none() -> None:
    with pytest.raises(UnsupportedModel, match="without --exact"):
        rule(Floor(), (2,), Numbers(exact=True))
