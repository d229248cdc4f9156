"""Shares that sum to one: moving a constant changes no value, and makes averages close."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import verifier
from verifier.bounding import backward
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.bounding.shares import balanced
from verifier.properties import Specification
from verifier.regions import box

X = torch.tensor([[0.5, -1.0, 2.0, 0.25]], dtype=torch.float64)


@given(seed=st.integers(0, 2**30), size=st.integers(1, 6))
def test_values_stay(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn((3, 2, 4, size), generator=generator, dtype=torch.float64)
    p = torch.randn((2, 4, size), generator=generator, dtype=torch.float64).softmax(-1)
    rest, level = balanced(a, torch.rand((1, 4, size), generator=generator, dtype=torch.float64))
    assert torch.allclose((a * p).sum(-1), (rest * p).sum(-1) + level[..., 0])


def test_the_median_is_weighted() -> None:
    a = torch.tensor([1.0, 5.0, 2.0]).reshape(1, 1, 3)
    assert float(balanced(a, torch.tensor([[1.0, 1.0, 1.0]]))[1]) == 2.0
    assert float(balanced(a, torch.tensor([[0.0, 9.0, 1.0]]))[1]) == 5.0
    assert float(balanced(a, torch.zeros(1, 3))[1]) in (1.0, 2.0, 5.0)


class Average(nn.Module):
    """Shares of the inputs, times numbers that are much alike."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1) @ self.weight.T


def lower(net: nn.Module, method: Method, proof: bool) -> float:
    model = verifier.load(net, X.float())
    one = torch.ones((1, 1, *model.graph.output_shape), dtype=torch.float64)
    specification = Specification(one, torch.zeros(1, 1, dtype=torch.float64), (0,))
    region = box((X - 1).reshape(1, *model.graph.input.shape), (X + 1).reshape(1, *model.graph.input.shape))
    rows = propagate(model.graph, region, method, specification, Options(torch.float64, proof=proof)).rows
    assert rows is not None
    return float(rows)


@pytest.mark.parametrize("proof", [False, True])
@pytest.mark.parametrize("method", [Ibp(), Crown(intermediate=False), Crown(), AlphaCrown(steps=3)])
def test_averages_lie_between_what_they_average(method: Method, proof: bool) -> None:
    """Equal values: their average, to rounding, and never above it."""
    assert 3 - 1e-9 < lower(Average([3.0] * 4), method, proof) <= 3
    assert lower(Average([3.0, 3.1, 3.2, 3.0]), method, proof) > 2.9


def test_rounding_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant far above all it is taken from: what its subtraction rounds away is subtracted."""
    net = Average([1.0, 1.0, 1.0, 1.0])
    usual = lower(net, Crown(), True)

    def far(coefficient: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        level = torch.full_like(coefficient[..., :1], 2.0**53)
        return coefficient - level, level

    monkeypatch.setattr(backward, "balanced", far)
    assert lower(net, Crown(intermediate=False), True) < 1 < 1 + 1e-3
    assert usual <= 1
