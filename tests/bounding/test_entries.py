"""Rows that are a multiple of one entry, from its interval."""

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from verifier.bounding.entries import direct
from verifier.interval import Interval

NUMBERS = st.sampled_from([-1e308, -3.7, -1.0, -0.1, 0.0, 0.3, 1.0, 2.5, 1e308])


def tensor(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=3))
def test_direct_bounds_are_exact(entries: list[tuple[float, float, float]]) -> None:
    """Where there is one, it is the least value of the row in rational arithmetic, not a float near it."""
    lower, upper, rows = (
        [min(a, b) for a, b, _ in entries],
        [max(a, b) for a, b, _ in entries],
        [r for *_, r in entries],
    )
    found = float(direct(tensor(rows).unsqueeze(0), Interval(tensor(lower), tensor(upper))))
    least = sum(min(Fraction(r) * Fraction(a), Fraction(r) * Fraction(b)) for a, b, r in entries)
    asked = [row for row in rows if row]
    if len(asked) == 1 and abs(asked[0]) == 1:
        assert Fraction(found) == least
    else:
        assert found == -torch.inf or (len(asked) == 1 and Fraction(found) == least)
