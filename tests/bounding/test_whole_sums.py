"""Sums of known numbers are as exact as floats are."""

import math

import torch

from verifier.bounding.state import two_summed
from verifier.graph.ops.dense import Sum
from verifier.interval import Interval


def summed(a: float, b: float, sign: int) -> tuple[float, float]:
    points = [Interval(*[torch.tensor([[x]], dtype=torch.float64)] * 2) for x in (a, b)]
    found = two_summed(Sum((1, sign)), points)
    return found.lower.item(), found.upper.item()


def test_whole_numbers_stay_whole() -> None:
    assert summed(3.0, 3.0, -1) == (0.0, 0.0)
    assert summed(-2.0, 7.0, 1) == (5.0, 5.0)


def test_a_rounded_sum_lies_between_neighbours() -> None:
    low, high = summed(1.0, 2.0**-60, 1)
    assert (low, high) == (1.0, math.nextafter(1.0, 2.0))


def test_an_overflow_is_no_bound() -> None:
    low, high = summed(1.7e308, 1.7e308, 1)
    assert low <= 1.7e308
    assert high == math.inf
