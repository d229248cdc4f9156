"""Small ONNX networks, and the command as a function."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from verifier.cli.main import main


@pytest.fixture
def command(capsys):
    """Run `verify` with these words: `(exit code, stdout, stderr)`."""

    def run(*words):
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def network(tmp_path):
    """Write a linear network: flatten, multiply; weights `(classes, entries)` in the order of the input's entries."""

    def write(shape, weight, name="linear.onnx", **metadata):
        weight = np.asarray(weight, np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("Flatten", ["x"], ["flat"], axis=1),
                helper.make_node("Gemm", ["flat", "weight"], ["y"], transB=1),
            ],
            "linear",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, len(weight)])],
            [numpy_helper.from_array(weight, "weight")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def pair(network):
    """Class 0 where `x0 > x1`, else class 1: the largest radius of an input is half the difference."""
    return network([1, 2], [[1, 0], [0, 1]])


@pytest.fixture
def array(tmp_path):
    """Save an array as `.npy`."""

    def save(values, name="x.npy", dtype=np.float32):
        np.save(tmp_path / name, np.asarray(values, dtype))
        return tmp_path / name

    return save
