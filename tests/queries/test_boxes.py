"""Ends of ranges: a proof covers at least the exact range, a witness stays inside of it."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.queries.boxes import LARGEST, around, ends

exact = st.one_of(
    st.fractions(-10, 10),
    st.decimals(-1000, 1000, places=9).map(Fraction),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(Fraction),
    st.sampled_from([Fraction(10) ** 400, -(Fraction(10) ** 39), Fraction(1, 10**60)]),
)


@given(exact)
def test_neighbours_enclose(value):
    low, high = around(value)
    assert low <= value <= high
    assert (low == high) == (low == value)
    assert low == high or math.nextafter(low, math.inf) == high


@given(exact, exact, st.booleans(), st.booleans())
def test_outer_holds_the_range_and_the_range_holds_inner(a, b, left, right):
    low, high = min(a, b), max(a, b)
    found = ends([low], [high], (left, right), LARGEST["float32"], admits=False, typed=False)
    assert found.outer[0][0] <= low
    assert high <= found.outer[1][0]
    for x in (found.inner[0][0], found.inner[1][0]):
        if found.inner[0][0] <= found.inner[1][0]:
            assert np.float32(x) == x
            assert low < x if left else low <= x
            assert x < high if right else x <= high


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), exact, exact)
def test_every_float32_of_the_range_is_a_witness(x, a, b):
    low, high = min(a, b), max(a, b)
    found = ends([low], [high], (False, False), LARGEST["float32"], admits=True, typed=False)
    if low <= x <= high:
        assert found.inner[0][0] <= x <= found.inner[1][0]
        assert not found.meant


@given(exact.filter(lambda v: abs(v) < 1e38))
def test_a_fixed_input_becomes_the_nearest_float32(value):
    found = ends([value], [value], (False, False), LARGEST["float32"], admits=True, typed=True)
    nearest = float(np.float32(float(value)))
    assert found.inner[0][0] == found.inner[1][0] == nearest
    assert found.outer[0][0] <= min(value, nearest)
    assert max(value, nearest) <= found.outer[1][0]
    assert (0 in found.meant) == (nearest != value)


@pytest.mark.parametrize("strict", [(True, False), (False, True)])
def test_strict_ranges_admit_nothing_from_outside(strict):
    low, high = Fraction(1, 10), Fraction(1, 10) + Fraction(1, 10**12)
    found = ends([low], [high], strict, LARGEST["float32"], admits=False, typed=True)
    assert found.empty


def test_no_float32_is_that_large():
    assert ends([Fraction(10) ** 39], [None], (False, False), LARGEST["float32"], True, True).empty
