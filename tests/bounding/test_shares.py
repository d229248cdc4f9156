"""Shares of a softmax lie between 0 and 1, and proofs know it without slack."""

import pytest
import torch
from torch import nn

import verifier
from verifier.bounding.methods import AlphaCrown, Crown, Ibp
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate


def shares(dim: int) -> verifier.Model:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Unflatten(1, (2, 3)), nn.Softmax(dim), nn.Flatten(1))
    return verifier.load(net.eval(), torch.zeros(1, 3))


@pytest.mark.parametrize("method", [Ibp(), Crown(), AlphaCrown(steps=1)], ids=repr)
@pytest.mark.parametrize("dim", [1, 2])
def test_nothing_is_below_zero_or_above_one(method, dim):
    model = shares(dim)
    region = verifier.box(torch.full((1, 1, 3), -50.0), torch.full((1, 1, 3), 50.0))
    eye = torch.eye(6, dtype=torch.float64).reshape(6, 1, 1, 6)
    rows, offset = torch.cat([eye, -eye]), torch.cat([torch.zeros(6, 1), torch.ones(6, 1)]).double()
    inside = verifier.Specification(rows, offset, tuple(range(12)), (True,) * 12)
    found = propagate(model.graph, region, method, inside, Options(proof=True))
    assert (found.rows >= 0).all()
    assert (inside.margin(found.rows) > 0).all()


def test_a_share_that_can_be_larger_is_not_proved():
    model = shares(2)
    region = verifier.box(torch.full((1, 1, 3), -2.0), torch.full((1, 1, 3), 2.0))
    rows = -torch.eye(6, dtype=torch.float64).reshape(6, 1, 1, 6)
    values = torch.stack([model.graph(x) for x in 4 * torch.rand(200, 1, 1, 3).double() - 2]).amax(0).flatten()
    asked = verifier.Specification(rows, (values - 1e-9).reshape(6, 1), tuple(range(6)), (True,) * 6)
    assert (propagate(model.graph, region, Crown(), asked, Options(proof=True)).rows < 0).all()
