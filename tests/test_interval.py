"""Intervals never get narrower than what is known."""

import math
from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from verifier.interval import Interval

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e300, 1e300)


def interval(a: float, b: float) -> Interval:
    return Interval(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64))


@given(ANY, ANY)
def test_nan_becomes_the_infinite_side_and_ends_are_in_order(a: float, b: float) -> None:
    x = interval(a, b)
    assert (x.lower <= x.upper).all()
    if math.isnan(a):
        assert float(x.lower) == -math.inf
    if math.isnan(b):
        assert float(x.upper) == math.inf
    if not math.isnan(a) and not math.isnan(b):
        assert (float(x.lower), float(x.upper)) == (min(a, b), max(a, b))


@given(FINITE, FINITE)
def test_centre_and_radius_hold_both_ends_to_rounding(a: float, b: float) -> None:
    x = interval(min(a, b), max(a, b))
    center, radius = Fraction(float(x.center)), Fraction(float(x.radius))
    slack = Fraction(float(x.magnitude)) * Fraction(2) ** -52 + Fraction(2) ** -1074
    assert center - radius <= Fraction(min(a, b)) + slack
    assert center + radius >= Fraction(max(a, b)) - slack
    assert radius >= 0


@given(FINITE)
def test_a_point_has_no_radius(a: float) -> None:
    assert float(interval(a, a).radius) <= 5e-324


@given(FINITE, FINITE)
def test_another_dtype_rounds_outwards(a: float, b: float) -> None:
    x = interval(min(a, b), max(a, b))
    narrow = x.to(torch.float32)
    assert narrow.lower.dtype == torch.float32
    assert (narrow.lower.double() <= x.lower).all()
    assert (narrow.upper.double() >= x.upper).all()


@given(st.floats(width=32, allow_nan=False))
def test_numbers_of_the_other_dtype_stay(a: float) -> None:
    narrow = interval(a, a).to(torch.float32)
    assert float(narrow.lower) == float(narrow.upper) == a


def test_intersection_keeps_what_both_allow_and_survives_a_hair() -> None:
    both = interval(0.0, 2.0).intersect(interval(1.0, 3.0))
    assert (float(both.lower), float(both.upper)) == (1.0, 2.0)
    crossed = interval(0.0, 1.0).intersect(interval(1.0 + 1e-15, 2.0))
    assert (crossed.lower <= 1.0).all()
    assert (crossed.upper >= 1.0 + 1e-15).all()


def test_intersection_with_nothing_known_changes_nothing() -> None:
    same = interval(-1.0, 1.0).intersect(interval(math.nan, math.nan))
    assert (float(same.lower), float(same.upper)) == (-1.0, 1.0)


def test_magnitude() -> None:
    assert float(interval(-3.0, 2.0).magnitude) == 3.0


def test_select_and_reshape() -> None:
    x = Interval(torch.zeros(3, 4), torch.arange(12.0).reshape(3, 4))
    assert torch.equal(x[torch.tensor([2, 0])].upper, x.upper[[2, 0]])
    assert x.reshape((2, 2)).upper.shape == (3, 2, 2)
