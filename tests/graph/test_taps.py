"""Convolutions by taps are torch's own."""

from itertools import product

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d

from verifier.graph.ops import taps
from verifier.graph.ops.conv import convolved, transposed

STRIDES = ((1, 1), (2, 2), (2, 3), (3, 1))
DILATIONS = ((1, 1), (2, 1), (2, 2))
PADDINGS = ((0, 0), (1, 1), (0, 2))
KERNELS = ((1, 1), (3, 3), (4, 2))


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """However small, and with several parts."""
    monkeypatch.setattr(taps, "PATCHES", 0)
    monkeypatch.setattr(taps, "CACHED", 2**10)


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize(("stride", "dilation"), list(product(STRIDES, DILATIONS)))
def test_they_are_torchs_convolutions_and_transposes(stride, dilation):
    for padding, kernel, size in product(PADDINGS, KERNELS, ((9, 8), (7, 12))):
        weight, bias, x = normal(5, 4, *kernel), normal(5), normal(3, 4, *size)
        assert taps.pays(x, weight, 1, 1)
        expected = conv2d(x, weight, bias, stride, padding, dilation)
        assert torch.allclose(convolved(x, weight, bias, stride, padding, dilation, 1), expected, atol=1e-12)
        for extra in ((0, 0), (1, 0), (0, 2)):
            if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
                continue  # torch refuses
            y = normal(3, 5, *size)
            expected = conv_transpose2d(y, weight, None, stride, padding, extra, 1, dilation)
            found = transposed(y, weight, stride, padding, extra, 1, dilation)
            assert found.shape == expected.shape
            assert torch.allclose(found, expected, atol=1e-12)


def test_gradients_flow():
    x, weight = normal(2, 3, 5, 5).requires_grad_(), normal(3, 3, 3, 3)
    for by_taps, by_torch in (
        (transposed(x, weight, (2, 2), (1, 1), (1, 1), 1, (1, 1)), conv_transpose2d(x, weight, None, 2, 1, 1)),
        (convolved(x, weight, None, (2, 2), (1, 1), (1, 1), 1), conv2d(x, weight, None, 2, 1)),
    ):
        found, expected = (torch.autograd.grad(y.sin().sum(), x)[0] for y in (by_taps, by_torch))
        assert torch.allclose(found, expected)


@pytest.mark.parametrize("x", [normal(2, 3, 5, 5).float(), normal(2, 3, 5), normal(2, 3, 5, 5, 5)])
def test_only_two_dimensions_in_float64(x):
    assert not taps.pays(x, torch.ones(3, 4, *(2,) * (x.dim() - 2)), 10, 1)
