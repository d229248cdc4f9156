"""Radii for all inputs, for each input, for each feature; and those that fit nothing."""

import pytest
import torch

from verifier.errors import InputError
from verifier.regions import ball, linf

CENTER = torch.zeros(3, 2, 5)


def test_one_radius_each() -> None:
    radius = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    upper = linf(CENTER, radius, -1, 1).box().upper
    assert torch.equal(upper, radius.reshape(3, 1, 1).expand(3, 2, 5))
    assert torch.equal(ball(CENTER, radius, 2, -1, 1).radius, radius.reshape(3, 1, 1).expand(3, 2, 5))


def test_one_radius_for_each_feature() -> None:
    radius = torch.arange(10, dtype=torch.float64).reshape(1, 2, 5) / 16
    assert torch.equal(linf(CENTER, radius, -1, 1).box().upper, radius.expand(3, 2, 5))


@pytest.mark.parametrize("shape", [(2,), (5,), (4, 2, 5), (3, 2, 4)])
def test_a_radius_that_fits_nothing(shape: tuple[int, ...]) -> None:
    for make in (lambda r: linf(CENTER, r, -1, 1), lambda r: ball(CENTER, r, 1, -1, 1)):
        with pytest.raises(InputError, match="does not fit 3 inputs"):
            make(torch.full(shape, 0.1))
