"""Networks whose result is a single number without axes, asked about by each method."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

TEXT = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real)
(assert (>= X_0 -1)) (assert (<= X_0 1)) (assert (>= X_1 -1)) (assert (<= X_1 1))
(assert (>= Y_0 {}))
"""


@pytest.fixture
def number(tmp_path):
    """`relu(sum(relu(W x)) - 1)`, at most 3 where both inputs lie within -1 and 1."""
    weight = numpy_helper.from_array(np.array([[1.0, -1.0], [1.0, 3.0]], np.float32), "weight")
    constants = [numpy_helper.from_array(np.array([0, 1]), "axes"), numpy_helper.from_array(np.float32(1.0), "one")]
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("ReduceSum", ["r", "axes"], ["s"], keepdims=0),
        helper.make_node("Sub", ["s", "one"], ["t"]),
        helper.make_node("Relu", ["t"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, 2]), ("y", []))]
    graph = helper.make_graph(nodes, "number", ends[:1], ends[1:], [weight, *constants])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    return tmp_path / "n.onnx"


def asked(command, number, threshold, *more):
    (number.parent / "p.vnnlib").write_text(TEXT.format(threshold))
    return command(number, "--property", number.parent / "p.vnnlib", "--timeout", 20, *more)


@pytest.mark.parametrize("method", ["interval", "crown", "alpha-crown", "zonotope", "bab", "input-split", "milp", "lp"])
def test_proved_by_each_method(command, number, method):
    code, out, _ = asked(command, number, 6, "--method", method)
    assert (code, out.split()[0]) == (0, "verified")


def test_proved_with_a_certificate(command, number, tmp_path):
    assert asked(command, number, 3.25, "--certificate", tmp_path / "c.zip")[0] == 0
    assert command("check", tmp_path / "c.zip", number)[0] == 0


def test_refuted(command, number):
    code, out, _ = asked(command, number, 2.5)
    assert (code, out.split()[0]) == (1, "falsified")
