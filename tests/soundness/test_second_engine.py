"""Where ONNX Runtime refuses a file, the onnx package's reference replays witnesses: it must run the same network."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from verifier.formats.onnx.evaluator import _reference


@pytest.mark.parametrize("opset", [9, 13, 15])
def test_reference_normalises_by_the_stored_statistics(opset: int) -> None:
    """It takes batch normalisations before opset 14 for training ones."""
    values = {"scale": 2.0, "bias": 1.0, "mean": 0.5, "variance": 4.0}
    tensors = [numpy_helper.from_array(np.full(3, v, np.float32), name) for name, v in values.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 2, 2]) for name in "xy"]
    node = helper.make_node("BatchNormalization", ["x", *values], ["y"], epsilon=0.0)
    graph = helper.make_graph([node], "norm", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    x = np.random.default_rng(0).random((1, 3, 2, 2), dtype=np.float32)
    (y,) = _reference(model, RuntimeError()).run(["y"], {"x": x})
    assert y.dtype == np.float32
    assert np.allclose(y, 2 * (x - 0.5) / 2 + 1, atol=1e-6)
