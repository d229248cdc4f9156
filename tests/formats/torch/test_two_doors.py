"""The same network through both doors gives the same graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from verifier.formats.torch import load_module

onnx_door = pytest.importorskip("verifier.formats.onnx")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv((x - 0.5) * 2)))
        x = F.max_pool2d(x, 3, 2, 1)
        x = x + torch.tanh(x).clamp(-0.5, 0.5)
        return self.fc(x.flatten(1))


def write_onnx(net: Net, path: Path) -> None:
    """The same network, by hand."""
    named = {key.replace(".", "_"): value.detach().numpy() for key, value in net.state_dict().items() if value.dim()}
    named |= {k: np.float32(v) for k, v in {"half": 0.5, "two": 2, "low": -0.5}.items()}
    window = {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [
        ("Sub", ["x", "half"], {}),
        ("Mul", ["v0", "two"], {}),
        ("Conv", ["v1", "conv_weight", "conv_bias"], window),
        (
            "BatchNormalization",
            ["v2", "norm_weight", "norm_bias", "norm_running_mean", "norm_running_var"],
            {"epsilon": net.norm.eps},
        ),
        ("Relu", ["v3"], {}),
        ("MaxPool", ["v4"], window),
        ("Tanh", ["v5"], {}),
        ("Clip", ["v6", "low", "half"], {}),
        ("Add", ["v5", "v7"], {}),
        ("Flatten", ["v8"], {"axis": 1}),
        ("Gemm", ["v9", "fc_weight", "fc_bias"], {"transB": 1}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [f"v{i}"], **more) for i, (kind, inputs, more) in enumerate(nodes)],
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 7, 8])],
        [helper.make_tensor_value_info("v10", onnx.TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value, name) for name, value in named.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def test_two_doors_agree(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = Net().eval()
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    write_onnx(net, tmp_path / "net.onnx")
    ours, theirs = load_module(net, torch.randn(1, 2, 7, 8)), onnx_door.load_onnx(tmp_path / "net.onnx")
    x = torch.randn(5, 1, 2, 7, 8)
    assert torch.allclose(ours.graph(x.double()), theirs.graph(x.double()), rtol=1e-6, atol=1e-6)
    assert np.allclose(ours.evaluator(x.numpy()), theirs.evaluator(x.numpy()), rtol=1e-5, atol=1e-5)
    assert [n.op.label for n in ours.graph.nodes] == [n.op.label for n in theirs.graph.nodes]
