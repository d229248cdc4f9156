"""Files that can't be translated: nothing is proved about them, but witnesses are found, in the file's own engine."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from verifier.batch import Settings
from verifier.errors import UnsupportedModel
from verifier.formats.onnx import load_onnx
from verifier.formats.vnnlib.reader import parse
from verifier.plan import plan
from verifier.queries.answer import Answer, answer

ONE = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1)) (assert (>= X_1 0)) (assert (>= Y_0 {}))"""
TWO = """(vnnlib-version <2.0>)
(declare-network f (declare-input A float32 [1,1]) (declare-input B float32 [1,1]) (declare-output Y float32 [1,2]))
(assert (and (<= A[0,0] 1.0) (>= A[0,0] 0.0))) (assert (and (<= B[0,0] 1.0) (>= B[0,0] 0.0)))
(assert (>= Y[0,0] {}))"""


@pytest.fixture(params=[1, 2], ids=["one input", "two inputs"])
def quantised(request, tmp_path) -> tuple[Path, str]:
    """A file that rounds its input to 256 steps between its own ends, which depend on the input, and doubles it."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])]
    first = []
    if request.param == 2:
        inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in "ab"]
        first = [helper.make_node("Concat", ["a", "b"], ["x"], axis=1)]
    nodes = [
        *first,
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["r"]),
        helper.make_node("Add", ["r", "r"], ["y"]),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "quantised", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "q.onnx")
    return tmp_path / "q.onnx", (ONE, TWO)[request.param - 1]


def asked(path: Path, text: str) -> tuple[Answer, list[str]]:
    notes: list[str] = []
    query = parse(text)
    return answer(query, {query.networks[0].name: path}, Settings(plan("auto"), timeout=20), notes.append), notes


def test_a_witness_is_found(quantised):
    path, text = quantised
    found, notes = asked(path, text.format("0.9"))
    assert found.word == "sat"
    assert found.assignment is not None
    assert np.asarray(found.assignment["Y"]).reshape(-1)[0] >= 0.9
    assert any("DynamicQuantizeLinear" in note for note in notes)


@pytest.mark.parametrize("threshold", ["3.0", "1000000.0"])
def test_nothing_is_proved(quantised, threshold):
    """Not even what is true."""
    path, text = quantised
    found, _ = asked(path, text.format(threshold))
    assert found.word == "unknown"
    assert "DynamicQuantizeLinear" in found.reason


def test_where_no_query_asks_the_file_is_refused(quantised):
    with pytest.raises(UnsupportedModel, match="DynamicQuantizeLinear"):
        load_onnx(quantised[0])


def test_a_file_that_no_engine_runs_is_refused(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Nothing", ["x"], ["y"], domain="nowhere")],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("nowhere", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "odd.onnx")
    with pytest.raises(UnsupportedModel, match="Nothing"):
        asked(tmp_path / "odd.onnx", ONE.format("0.9"))
