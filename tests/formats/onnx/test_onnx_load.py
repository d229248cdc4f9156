"""What a loaded model is: names, notes, inputs and outputs, batch axes, branches, functions."""

import gzip
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_small import check, model, ours, points, relative, save, typed

from verifier.errors import InputError, InvalidModel, UnsupportedModel
from verifier.formats.onnx import load_onnx
from verifier.graph.ops.dense import Linear
from verifier.graph.ops.softmax import Softmax

R = np.random.default_rng(2)
W = R.normal(size=(4, 3)).astype(np.float32)
node = helper.make_node


def dense(first: str | int = 1, shapes: bool = True) -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "w"], ["hidden"], name="product"), node("Relu", ["hidden"], ["y"])]
    return model(nodes, {"x": [first, 4]}, ["y"], {"w": W}, output_shapes={"y": [first, 3]} if shapes else None)


def test_nodes_carry_the_files_names_and_float64_weights(tmp_path: Path) -> None:
    loaded = check(save(dense(), tmp_path))
    graph = loaded.graph
    assert [n.name for n in graph.nodes] == ["x", "hidden", "y"]
    op = graph.by_name["hidden"].op
    assert isinstance(op, Linear)
    assert op.weight.dtype == torch.float64
    assert np.array_equal(op.weight.numpy(), W.T.astype(np.float64))
    assert loaded.notes == ()


def test_gzip_and_metadata(tmp_path: Path) -> None:
    proto = dense()
    helper.set_model_props(proto, {"author": "somebody"})
    path = tmp_path / "m.onnx.gz"
    path.write_bytes(gzip.compress(proto.SerializeToString()))
    assert dict(check(path).graph.metadata) == {"author": "somebody"}


def test_open_sizes_become_one_and_are_noted(tmp_path: Path) -> None:
    loaded = check(save(dense("N"), tmp_path), points((1, 4), 20))
    assert loaded.graph.input.shape == (1, 4)
    assert "axis 0 (N) is open" in loaded.notes[0]


def test_shapes_can_be_given(tmp_path: Path) -> None:
    proto = typed(model([node("ReduceSum", ["x"], ["y"])], {"x": [1, "points", 2]}, ["y"]))
    loaded = load_onnx(save(proto, tmp_path), shapes={"x": (1, 5, 2)})
    x = points((1, 5, 2))
    assert relative(ours(loaded, x), loaded.evaluator(x)) < 1e-5
    with pytest.raises(InputError, match="no input is called"):
        load_onnx(tmp_path / "m.onnx", shapes={"z": (1,)})


def test_rows_that_mix_are_not_batched(tmp_path: Path) -> None:
    """The file leaves its first axis open, but its rows influence each other."""
    nodes = [node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), node("Sub", ["x", "m"], ["y"])]
    loaded = load_onnx(save(model(nodes, {"x": ["N", 4]}, ["y"], output_shapes={"y": ["N", 4]}), tmp_path))
    assert np.abs(loaded.evaluator(points((1, 4), 6))).max() == 0


def test_fixed_batch_is_taken_for_one_row(tmp_path: Path) -> None:
    loaded = load_onnx(save(dense(5), tmp_path))
    assert loaded.graph.input.shape == (1, 4)
    assert "batch axis" in loaded.notes[0]
    x = points((1, 4), 7)
    assert relative(ours(loaded, x), loaded.evaluator(x)) < 1e-5


@pytest.mark.parametrize(
    "nodes",
    [
        [node("MatMul", ["x", "w"], ["h"]), node("CumSum", ["h", "zero"], ["y"])],
        [node("MatMul", ["x", "w"], ["h"]), node("ReduceMax", ["h"], ["m"], axes=[0]), node("Add", ["h", "m"], ["y"])],
        [node("MatMul", ["x", "w"], ["h"]), node("Add", ["h", "b"], ["y"])],
    ],
)
def test_fixed_size_that_is_no_batch_stays(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    weights = {"w": W, "zero": np.array(0), "b": R.normal(size=(5, 3)).astype(np.float32)}
    proto = model(nodes, {"x": [5, 4]}, ["y"], weights, output_shapes={"y": [5, 3]})
    loaded = check(save(proto, tmp_path))
    assert loaded.graph.input.shape == (5, 4)
    assert "was kept" in loaded.notes[0]


def test_several_inputs_are_one(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["a", "w"], ["h"]), node("Mul", ["h", "b"], ["y"])]
    proto = typed(model(nodes, {"a": [1, 4], "b": [1, 3]}, ["y"], {"w": W}))
    loaded = check(save(proto, tmp_path))
    assert loaded.graph.input.shape == (7,)
    x = points((7,), 1)
    assert np.allclose(ours(loaded, x)[0], (x[:, :4] @ W) * x[:, 4:], atol=1e-6)


def test_initializers_among_the_inputs_are_none(tmp_path: Path) -> None:
    proto = dense()
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    assert check(save(proto, tmp_path)).graph.input.shape == (1, 4)


def test_nor_are_those_that_nobody_reads(tmp_path: Path) -> None:
    """ONNX Runtime would ask for a value of it, once the initializer is gone."""
    proto = dense()
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.int64), "shape"))
    proto.graph.input.append(helper.make_tensor_value_info("shape", TensorProto.INT64, [2]))
    check(save(proto, tmp_path))


def test_outputs_can_be_chosen(tmp_path: Path) -> None:
    proto = dense()
    proto.graph.output.insert(0, helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, 3]))
    path = save(proto, tmp_path)
    first = load_onnx(path)
    assert first.graph.output == "hidden"
    assert "the first of 2 outputs" in first.notes[0]
    x = points((1, 4))
    assert relative(ours(first, x), first.evaluator(x)) < 1e-5
    assert load_onnx(path, output="y").graph.output == "y"
    with pytest.raises(InputError, match="hidden, y"):
        load_onnx(path, output="z")


def test_dead_nodes_do_not_matter(tmp_path: Path) -> None:
    proto = dense()
    proto.graph.node.append(node("Loop", ["x"], ["dead"]))
    check(save(proto, tmp_path))


def test_unsorted_nodes_are_sorted(tmp_path: Path) -> None:
    proto = dense()
    nodes = list(reversed([onnx.NodeProto.FromString(n.SerializeToString()) for n in proto.graph.node]))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    check(save(proto, tmp_path))


def test_constant_output(tmp_path: Path) -> None:
    nodes = [node("Shape", ["x"], ["s"]), node("Cast", ["s"], ["y"], to=TensorProto.FLOAT)]
    loaded = load_onnx(save(typed(model(nodes, {"x": [1, 4]}, ["y"])), tmp_path))
    assert ours(loaded, points((1, 4), 3)).tolist() == [[1, 4]] * 3


def test_constant_folding_is_exact_on_shapes(tmp_path: Path) -> None:
    """The chain that exporters write for a reshape to (batch, -1)."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["flat"]),
        node("MatMul", ["flat", "w"], ["y"]),
    ]
    weights = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1]), "w": W}
    check(save(typed(model(nodes, {"x": [1, 2, 2]}, ["y"], weights)), tmp_path))


def test_weights_computed_by_the_file_are_float64(tmp_path: Path) -> None:
    """Weight normalisation: what the file derives from its weights isn't rounded to float32."""
    nodes = [
        node("ReduceL2", ["w"], ["norm"], axes=[1], keepdims=1),
        node("Div", ["w", "norm"], ["unit"]),
        node("MatMul", ["x", "unit"], ["y"]),
    ]
    check(save(typed(model(nodes, {"x": [1, 4]}, ["y"], {"w": W})), tmp_path))


def test_branches_with_known_condition(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, [1, 4])
        return helper.make_graph([node(op, ["x"], [f"{op}_out"])], op, [], [out])

    chosen = node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Tanh"))
    for condition, op in ((True, "Relu"), (False, "Tanh")):
        proto = typed(model([chosen], {"x": [1, 4]}, ["y"], {"c": np.array(condition)}))
        assert check(save(proto, tmp_path)).graph.nodes[-1].op.label == op
    dynamic = [node("ReduceMax", ["x"], ["m"], keepdims=0), node("Cast", ["m"], ["c"], to=TensorProto.BOOL), chosen]
    with pytest.raises(UnsupportedModel, match="condition depends"):
        load_onnx(save(typed(model(dynamic, {"x": [1, 4]}, ["y"])), tmp_path))


def test_own_functions_are_written_out(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 17)]
    body = [node("MatMul", ["a", "b"], ["t"]), node("Relu", ["t"], ["c"])]
    proto = model([node("Layer", ["x", "w"], ["y"], domain="own")], {"x": [1, 4]}, ["y"], {"w": W})
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(helper.make_function("own", "Layer", ["a", "b"], ["c"], body, opsets))
    check(save(proto, tmp_path))


def test_standard_definitions_are_expanded(tmp_path: Path) -> None:
    nodes = [node("Attention", ["q", "k", "v"], ["y"])]
    proto = model(nodes, {n: [1, 2, 3, 4] for n in "qkv"}, ["y"], opset=23, output_shapes={"y": [1, 2, 3, 4]})
    loaded = load_onnx(save(proto, tmp_path))
    x = points(loaded.graph.input.shape)
    assert relative(ours(loaded, x), loaded.evaluator.double(x)) < 1e-5  # type: ignore[attr-defined]
    assert any(isinstance(n.op, Softmax) for n in loaded.graph.nodes)


def test_sequences(tmp_path: Path) -> None:
    nodes = [
        node("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        node("SequenceAt", ["parts", "one"], ["b"]),
        node("SequenceAt", ["parts", "zero"], ["a"]),
        node("SequenceConstruct", ["b", "a"], ["swapped"]),
        node("ConcatFromSequence", ["swapped"], ["y"], axis=1),
    ]
    weights = {"sizes": np.array([1, 3]), "zero": np.array(0), "one": np.array(1)}
    check(save(typed(model(nodes, {"x": [1, 4]}, ["y"], weights)), tmp_path), wide=False)


def test_quantised_weights(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1), node("MatMul", ["x", "w"], ["y"])]
    q = R.integers(-128, 127, (4, 3)).astype(np.int8)
    weights = {"q": q, "s": np.array([0.1, 0.2, 0.3], np.float32), "z": np.zeros(3, np.int8)}
    check(save(typed(model(nodes, {"x": [1, 4]}, ["y"], weights)), tmp_path), wide=False)


def test_half_precision_file(tmp_path: Path) -> None:
    proto = typed(model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 4]}, ["y"]))
    proto.graph.initializer.append(numpy_helper.from_array(W.astype(np.float16), "w"))
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    loaded = load_onnx(save(proto, tmp_path))
    x = points((1, 4))
    assert "float16" in loaded.notes[0]
    assert np.allclose(ours(loaded, x), x @ W.astype(np.float16).astype(np.float64))
    assert relative(ours(loaded, x), loaded.evaluator(x)) < 1e-2


def test_a_trivial_model_loads_fast(tmp_path: Path) -> None:
    path = save(dense(), tmp_path)
    load_onnx(path)
    start = time.perf_counter()
    load_onnx(path)
    assert time.perf_counter() - start < 0.05


def test_opset_before_seven_broadcasts_by_axis(tmp_path: Path) -> None:
    add = node("Add", ["x", "b"], ["y"], broadcast=1, axis=1)
    b = np.array([1, 2], np.float32)
    loaded = load_onnx(save(model([add], {"x": [1, 2, 3]}, ["y"], {"b": b}, opset=6), tmp_path))
    assert np.allclose(ours(loaded, np.zeros((1, 1, 2, 3), np.float32))[0, 0], [[1] * 3, [2] * 3])


def test_output_that_a_translator_lacks_is_no_silent_gap(tmp_path: Path) -> None:
    nodes = [node("MaxPool", ["x"], ["p", "i"], kernel_shape=[2]), node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)]
    with pytest.raises(UnsupportedModel, match="output 'i'"):
        load_onnx(save(typed(model(nodes, {"x": [1, 1, 4]}, ["y"])), tmp_path))
    with pytest.raises((UnsupportedModel, InvalidModel), match="attribute strange"):
        load_onnx(save(model([node("Relu", ["x"], ["y"], strange=1)], {"x": [1, 4]}, ["y"]), tmp_path))


def test_inputs_that_a_translator_lacks_are_no_silent_gap(tmp_path: Path) -> None:
    weights = {n: R.normal(size=s).astype(np.float32) for n, s in (("w", (1, 8, 4)), ("r", (1, 8, 2)), ("p", (1, 6)))}
    peephole = node("LSTM", ["x", "w", "r", "", "", "", "", "p"], ["y"], hidden_size=2)
    with pytest.raises(UnsupportedModel, match="input 7 \\(p\\)"):
        load_onnx(save(model([peephole], {"x": [3, 1, 4]}, ["y"], weights), tmp_path))


def test_reference_steps_in_where_onnx_runtime_gives_up(tmp_path: Path) -> None:
    proto = dense()
    proto.ir_version = onnx.IR_VERSION
    proto.opset_import[0].version = onnx.defs.onnx_opset_version()
    proto.graph.node[0].domain = "ai.onnx"  # an alias that only some engines accept
    loaded = load_onnx(save(proto, tmp_path))
    x = points((1, 4), 5)
    assert relative(ours(loaded, x), loaded.evaluator(x)) < 1e-5
    assert loaded.evaluator.name.split()[0] in ("onnxruntime", "onnx.reference")
