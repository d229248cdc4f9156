"""Floating point facts that proofs rest on."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verifier.numerics import down, enclose, gamma, unit_roundoff, up
from verifier.regions.box import Inner, inward

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_unit_roundoff_is_half_the_distance_behind_one(dtype: torch.dtype) -> None:
    one = torch.ones((), dtype=dtype)
    u = unit_roundoff(dtype)
    assert (one + torch.tensor(u, dtype=dtype)).item() == 1.0  # a tie goes to even
    assert (one + torch.tensor(3 * u, dtype=dtype)).item() > 1.0


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60))
def test_gamma_bounds_sums_of_products(values: list[float]) -> None:
    """In float32, in the order of torch's own sum, against exact arithmetic."""
    x = torch.tensor(values, dtype=torch.float32)
    y = x.flip(0) * 0.3 + 1
    exact = sum((Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)), Fraction(0))
    size = sum(abs(Fraction(a) * Fraction(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True))
    bound = Fraction(gamma(len(values), torch.float32)) * size + Fraction(1, 2**120)
    for total in ((x * y).sum(), x @ y):
        assert abs(Fraction(total.item()) - exact) <= bound


def test_gamma_grows_and_has_an_end() -> None:
    assert 0 < gamma(1, torch.float64) < gamma(1000, torch.float64) < gamma(1000, torch.float32)
    with pytest.raises(ValueError, match="error bound"):
        gamma(2**24, torch.float32)


@given(FINITE, st.integers(0, 3))
def test_steps_go_outwards_and_come_back(value: float, steps: int) -> None:
    x = torch.tensor(value, dtype=torch.float64)
    assert (up(x, steps) > x) == (steps > 0)
    assert (down(x, steps) < x) == (steps > 0)
    assert down(up(x, steps), steps) == x


def law_enclose(a: float, b: float) -> None:
    """The ends enclose the exact sum, and are equal where it is a float."""
    low, high = enclose(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    exact = Fraction(a) + Fraction(b)
    assert Fraction(float(low)) <= exact <= Fraction(float(high)), "the exact sum lies outside its enclosure"
    assert float(low) == float(high) or float(up(low)) == float(high)
    if Fraction(float(torch.tensor(a + b, dtype=torch.float64))) == exact:
        assert float(low) == float(high)


@given(FINITE, FINITE)
def test_enclose(a: float, b: float) -> None:
    law_enclose(a, b)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.2), (1.0, 1e-30), (1.0, -1e-30), (0.3, -0.1), (1e16, 1.0), (0.0, 5e-324)])
def test_enclose_at_known_places(a: float, b: float) -> None:
    law_enclose(a, b)


@given(FINITE, FINITE)
def test_inward_ends_lie_inside(a: float, b: float) -> None:
    interval = Inner(torch.tensor([min(a, b)], dtype=torch.float64), torch.tensor([max(a, b)], dtype=torch.float64))
    lower, upper = inward(interval, torch.float32)
    assert lower.dtype == torch.float32
    assert (lower.double() >= interval.lower).all()
    assert (upper.double() <= interval.upper).all()
