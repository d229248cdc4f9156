"""In fractions a network must be the file's own: where reading rounds a parameter, `--exact` says that it can't."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from verifier import load
from verifier.certificates.affine import mapped
from verifier.certificates.check import check
from verifier.certificates.numbers import Numbers
from verifier.errors import UnsupportedModel
from verifier.graph.ops.dense import Scale

IMAGE = [1, 2, 4, 4]


def weights(*shape: int) -> np.ndarray:
    return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(np.float32)


def node(op: str, *constants: str, **attributes: object) -> list[NodeProto]:
    return [helper.make_node(op, ["x", *constants], ["y"], **attributes)]


def of_constants(op: str) -> list[NodeProto]:
    return [helper.make_node(op, ["a", "b"], ["c"]), helper.make_node("Mul", ["x", "c"], ["y"])]


PLAIN = {"a": weights(1), "b": weights(1) + 3}
CASES: dict[str, tuple[list[NodeProto], dict[str, np.ndarray], bool]] = {
    "division by three": (node("Div", "k"), {"k": np.float32(3)}, True),
    "division by four": (node("Div", "k"), {"k": np.float32(4)}, True),
    "mean of four": (node("ReduceMean", axes=[3]), {}, True),
    "mean of eight": (node("ReduceMean", axes=[1, 2]), {}, True),
    "pool of nine": (node("AveragePool", kernel_shape=[3, 3]), {}, True),
    "pool of four": (node("AveragePool", kernel_shape=[2, 2]), {}, True),
    "padded pool": (node("AveragePool", kernel_shape=[2, 3], pads=[0, 1, 0, 1]), {}, True),
    "pool of all": (node("GlobalAveragePool"), {}, True),
    "mean of three": ([helper.make_node("Mean", ["x", "x", "x"], ["y"])], {}, True),
    "batch norm": (
        node("BatchNormalization", "s", "b", "m", "v"),
        {**dict.fromkeys("sbm", weights(2)), "v": np.ones(2, np.float32)},
        False,
    ),
    "resize": (
        node("Resize", "", "k", mode="linear"),
        {"k": np.array([1, 1, 1.5, 1.5], np.float32)},
        False,
    ),
    "sum of constants": (of_constants("Add"), PLAIN, False),
    "product of constants": (of_constants("MatMul"), PLAIN, False),
    "a weight that is moved": (
        [helper.make_node("Transpose", ["a"], ["c"]), helper.make_node("Mul", ["x", "c"], ["y"])],
        {"a": weights(4, 1)},
        True,
    ),
    "an affine layer": (node("Conv", "w"), {"w": weights(1, 2, 2, 2)}, True),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_rounded(name: str, tmp_path: Path) -> None:
    nodes, constants, exact = CASES[name]
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, IMAGE)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(array, np.float32), key) for key, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(proto), tmp_path / "m.onnx")
    loaded = load(tmp_path / "m.onnx")
    assert (not loaded.graph.rounded) is exact
    if not exact:
        with pytest.raises(UnsupportedModel, match="without --exact"):
            list(check(tmp_path / "none.zip", tmp_path / "m.onnx", loaded.graph, exact=True))


def test_a_quotient_is_one_in_fractions() -> None:
    """A third of three is one: it was less by what rounding a third loses, and "less than one" was accepted."""
    third = Scale(torch.tensor(1 / 3, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64))
    numbers = Numbers(exact=True)
    own = mapped(third, [(1,)], (1,), numbers)
    assert own.forward([numbers.array(np.full((1, 1), 3.0))], False)[0, 0] == 1
    assert own.transpose(numbers.array(np.ones((1, 1))))[0][0, 0] == Fraction(1, 3)
