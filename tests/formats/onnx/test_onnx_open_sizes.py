"""Files whose height and width are left open: the message says what was chosen, and how to fix them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from verifier.data import Choice, gather
from verifier.errors import InputError, InvalidModel
from verifier.formats.onnx import load_onnx


def write(path, nodes, **values):
    graph = helper.make_graph(
        nodes,
        "open",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_network_that_needs_the_sizes(tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "weight"], ["y"])]
    path = write(tmp_path / "m.onnx", nodes, weight=np.ones((16, 2), np.float32))
    with pytest.raises(InvalidModel, match=r"axis 2 \(H\).*make_dynamic_shape_fixed"):
        load_onnx(path)
    assert load_onnx(path, shapes={"x": (1, 1, 4, 4)}).graph.output_shape == (1, 2)


def test_a_network_that_takes_any_size(tmp_path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["y"]),
    ]
    model = load_onnx(write(tmp_path / "m.onnx", nodes, weight=np.ones((1, 2), np.float32)))
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(InputError, match=r"4x4 do not fit.*axis 2 \(H\)"):
        gather(model, Choice(str(tmp_path / "x.npy")))
