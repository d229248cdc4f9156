"""A ball that misses the valid range holds nothing, of which everything would be proved."""

import pytest
import torch

from verifier.errors import InputError
from verifier.regions import ball


@pytest.mark.parametrize("p", [1, 2])
def test_a_ball_beside_the_range(p: int) -> None:
    center = torch.tensor([[0.5, 0.5], [1.4, 1.4]])
    with pytest.raises(InputError, match="radius of input 1"):
        ball(center, 0.5, p, 0.0, 1.0)  # each coordinate alone could reach the range, both together can't
    assert ball(center, 0.81, p, 0.0, 1.0).batch == 2
