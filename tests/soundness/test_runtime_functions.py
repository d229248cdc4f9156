"""Functions as ONNX Runtime computes them lie within what is promised of the deployed network."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from verifier.bounding.methods import Ibp
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.formats.onnx import load_onnx
from verifier.regions import box

FUNCTIONS = (
    "Sigmoid",
    "Tanh",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "Erf",
    "Softplus",
    "Softsign",
    "HardSwish",
    "Mish",
    "Exp",
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_the_runtime_is_inside(name: str, tmp_path: Path) -> None:
    """Where terms cancel, values are wrong by the rounding of these: sigmoid(-27) is 0 there."""
    small = np.logspace(-30, 0, 200)
    x = np.concatenate([np.linspace(-40, 40, 2001), small, -small]).astype(np.float32)[None]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n in "xy"]
    graph = helper.make_graph([helper.make_node(name, ["x"], ["y"])], "one", info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    path = tmp_path / "one.onnx"
    onnx.save(model, path)
    y = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0].reshape(-1)
    network = load_onnx(path).graph
    at = torch.from_numpy(x).double().reshape(1, *network.input.shape)
    options = Options(proof=True, deployed=torch.float32)
    found = propagate(network, box(at, at), Ibp(), None, options).table[network.output]
    assert (found.lower.reshape(-1).numpy() <= y).all()
    assert (y <= found.upper.reshape(-1).numpy()).all()
