"""The checker's arithmetic: what is rounded upwards is above, centres and radii reach both ends."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from verifier.certificates.numbers import Numbers

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DENORMAL = st.floats(-1e-300, 1e-300)


@given(st.one_of(FINITE, DENORMAL))
def test_up_is_two_floats_above(x: float) -> None:
    with np.errstate(over="ignore"):
        second = np.nextafter(np.nextafter(x, np.inf), np.inf)
        assert Numbers().up(np.array([x]))[0] >= second


@given(st.one_of(FINITE, DENORMAL), st.one_of(FINITE, DENORMAL))
def test_a_radius_reaches_both_ends(a: float, b: float) -> None:
    low, high = np.array([min(a, b)]), np.array([max(a, b)])
    with np.errstate(all="ignore"):
        center, radius = Numbers().middle(low, high)
    if np.isfinite(center[0]) and np.isfinite(radius[0]):
        assert Fraction(center[0]) - Fraction(radius[0]) <= Fraction(low[0])
        assert Fraction(center[0]) + Fraction(radius[0]) >= Fraction(high[0])
    assert a != b or radius[0] == 0
