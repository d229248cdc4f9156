"""Networks as PyTorch's exporter writes them: our graph of the file equals the module itself."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from onnx_small import ours
from torch import Tensor, nn
from torch.nn import functional as F

from verifier.formats.onnx import load_onnx


class Of(nn.Module):
    def __init__(self, function: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


def residual(x: Tensor, conv: nn.Module, norm: nn.Module, head: nn.Linear) -> Tensor:
    return head(F.relu(x + norm(conv(x))).mean((2, 3)))


def activations(x: Tensor) -> Tensor:
    return F.hardswish(x) + F.silu(x) + F.softplus(x) + F.elu(x) + F.hardsigmoid(x) + F.relu6(x) + F.logsigmoid(x)


IMAGE = (1, 4, 7, 8)
MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "residual": (Of(residual, nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 2)), IMAGE),
    "lstm": (
        Of(lambda x, l: l(x)[0][:, -1], nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True)),
        (1, 6, 4),
    ),
    "gru": (Of(lambda x, l: l(x)[0], nn.GRU(4, 5, batch_first=True)), (1, 6, 4)),
    "attention": (Of(lambda x, a: a(x, x, x)[0], nn.MultiheadAttention(8, 2, batch_first=True)), (1, 5, 8)),
    "bilinear": (Of(lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear")), IMAGE),
    "bicubic": (Of(lambda x: F.interpolate(x, size=(9, 4), mode="bicubic", align_corners=True)), IMAGE),
    "norms": (Of(lambda x, a, b: F.gelu(a(b(x))), nn.GroupNorm(2, 4), nn.LayerNorm(8)), IMAGE),
    "pool": (Of(lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)), IMAGE),
    "average": (Of(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)), IMAGE),
    "activations": (Of(activations), (1, 6)),
    "chunks": (Of(lambda x: torch.cat([b * 2 for b in x.chunk(3, 1)][::-1], 1)), (1, 7)),
    "index": (Of(lambda x: x[:, [2, 0], 1:] + x[:, :1, ::2].sum(-1, keepdim=True)), (1, 4, 5)),
    "extremes": (Of(lambda x: torch.maximum(x[:, :2], x[:, 2:]) + x.amax(1, keepdim=True)), (1, 4)),
    "choice": (Of(lambda x: torch.where(x > 0, x.exp(), x**3)), (1, 4)),
}


@pytest.mark.parametrize("open_batch", [False, True])
@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", MODULES)
def test_exported_module(name: str, opset: int, open_batch: bool, tmp_path: Path) -> None:
    module, shape = MODULES[name]
    module.eval()
    path, axes = tmp_path / "m.onnx", {"x": {0: "N"}, "y": {0: "N"}} if open_batch else None
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            options = {"dynamo": False, "opset_version": opset, "dynamic_axes": axes}
            torch.onnx.export(module, (x[0],), str(path), input_names=["x"], output_names=["y"], **options)
        except Exception as error:
            pytest.skip(f"the exporter gives up: {str(error)[:60]}")
    with torch.no_grad():
        expected = torch.stack([module(row) for row in x]).numpy()
    loaded = load_onnx(path)
    assert abs(ours(loaded, x.numpy()) - expected).max() < 1e-4
    assert abs(loaded.evaluator(x.numpy()) - expected).max() < 1e-4
