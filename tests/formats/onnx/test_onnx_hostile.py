"""Broken and hostile files end in one clear error: nothing is run, read from elsewhere or allocated without end."""

import gzip
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_small import check, model, save

from verifier.errors import InputError, InvalidModel, UnsupportedModel, VerifierError
from verifier.formats.onnx import load_onnx, source

W = np.arange(12, dtype=np.float32).reshape(4, 3)
node = helper.make_node


def dense() -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])]
    return model(nodes, {"x": [1, 4]}, ["y"], {"w": W}, output_shapes={"y": [1, 3]})


def refused(path: Path, match: str) -> None:
    with pytest.raises(InvalidModel, match=match) as caught:
        load_onnx(path)
    assert str(caught.value).startswith(path.name)


# Files


def test_missing_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_onnx(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="is a directory"):
        load_onnx(tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX file"),
        (b"hello world, this is text", "not an ONNX"),
        (b"\x1f\x8b\x08\x00garbage", "gzip"),
        (gzip.compress(dense().SerializeToString(), mtime=0)[:-20], "gzip"),
        (dense().SerializeToString()[:-30], "truncated"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "no graph"),
    ],
)
def test_content_that_is_no_model(content: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    refused(path, match)


def test_gzip_bomb_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 2**20)
    path = tmp_path / "m.onnx.gz"
    path.write_bytes(gzip.compress(bytes(2**26)))
    refused(path, "decompresses to more")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_escape(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(dense().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.onnx"
    path.write_bytes(bytes(content))
    try:
        load_onnx(path)
    except VerifierError as error:
        assert path.name in str(error)  # noqa: PT017


# Graphs


def test_graphs_that_are_none(tmp_path: Path) -> None:
    def broken(nodes: list[onnx.NodeProto], match: str, **options: object) -> None:
        refused(save(model(nodes, {"x": [1, 4]}, ["y"], **options), tmp_path), match)  # type: ignore[arg-type]

    broken([node("Add", ["x", "b"], ["a"]), node("Add", ["x", "a"], ["b"]), node("Relu", ["b"], ["y"])], "cycle")
    broken([node("Add", ["x", "y"], ["y"])], "cycle")
    broken([node("Add", ["x", "ghost"], ["y"])], "'ghost', which nothing produces")
    broken([node("Relu", ["x"], ["z"])], "output 'y' is produced by no node")
    broken([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])], "two nodes produce 'y'")
    broken([node("Relu", ["x"], ["x"]), node("Relu", ["x"], ["y"])], "already")
    broken([node("MatMul", ["x"], ["y"])], "lacks its input 1")
    broken([node("MatMul", ["x", "w"], ["y"])], "does not fit", weights={"w": np.ones((5, 3), np.float32)})
    broken([node("Concat", ["x", "x"], ["y"])], "lacks its attribute axis")
    broken([node("Transpose", ["x"], ["y"], perm="ab")], "has type")
    broken([node("Reshape", ["x", "s"], ["y"])], "can't be reshaped", weights={"s": np.array([3, -1])})
    broken([node("Gather", ["x", "i"], ["y"])], "outside", weights={"i": np.array([7])})
    broken([node("Add", ["x", "w"], ["y"])], "NaN", weights={"w": np.full(4, np.nan, np.float32)})
    broken([node("Div", ["x", "w"], ["y"])], "division by zero", weights={"w": np.zeros(4, np.float32)})


def test_long_chains_need_no_recursion(tmp_path: Path) -> None:
    nodes = [node("Identity", [f"t{i}"], [f"t{i + 1}"]) for i in range(5000)]
    nodes = [node("Relu", ["x"], ["t0"]), *nodes, node("Relu", ["t5000"], ["y"])]
    load_onnx(save(model(nodes, {"x": [1, 4]}, ["y"]), tmp_path))


HUGE = np.array([2**20, 2**20], dtype=np.int64)
OUTER = [node("Transpose", ["x"], ["t"]), node("Tile", ["x", "wide"], ["b"]), node("Tile", ["t", "high"], ["a"])]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ConstantOfShape", ["n"], ["c"]), node("ReduceSum", ["c"], ["s"]), node("Add", ["x", "s"], ["y"])],
        [node("Expand", ["one", "n"], ["c"]), node("ReduceSum", ["c"], ["s"]), node("Add", ["x", "s"], ["y"])],
        [node("Expand", ["x", "n"], ["e"]), node("ReduceSum", ["e"], ["y"])],
        [node("Tile", ["x", "n"], ["e"]), node("ReduceSum", ["e"], ["y"])],
        [node("Tile", ["one2", "n"], ["e"]), node("ReduceSum", ["e"], ["s"]), node("Add", ["x", "s"], ["y"])],
        [node("Range", ["zero", "many", "step"], ["c"]), node("Gather", ["x", "c"], ["y"])],
        [node("Pad", ["x", "pads"], ["y"])],
        [node("Resize", ["x", "", "", "n"], ["y"])],
        [*OUTER, node("Mul", ["a", "b"], ["m"]), node("ReduceSum", ["m"], ["y"])],
        [*OUTER, node("MatMul", ["a", "b"], ["m"]), node("ReduceSum", ["m"], ["y"])],
        [node("OneHot", ["x", "many", "pair"], ["h"]), node("ReduceSum", ["h"], ["y"])],
        [node("Conv", ["image", "kernel"], ["y"], pads=[2**30] * 4)],
    ],
)
def test_absurd_amounts_are_refused_before_they_are_allocated(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    weights = {
        "n": HUGE,
        "one": np.float32(1),
        "one2": np.ones((1, 1), np.float32),
        "zero": np.array(0),
        "many": np.array(2**50),
        "step": np.array(1),
        "pads": np.array([0, 0, 0, 2**50]),
        "wide": np.array([1, 2**16]),
        "high": np.array([2**16, 1]),
        "pair": np.array([0, 1], np.float32),
        "kernel": np.ones((1, 1, 2, 2), np.float32),
        "s4": np.array([1, 1, 2, 2]),
    }
    nodes = [node("Reshape", ["x", "s4"], ["image"]), *nodes]
    refused(save(model(nodes, {"x": [1, 4]}, ["y"], weights), tmp_path), "is refused")


def test_absurd_shapes_of_inputs_and_weights(tmp_path: Path) -> None:
    refused(save(model([node("Relu", ["x"], ["y"])], {"x": [2**20, 2**20]}, ["y"]), tmp_path), "is refused")
    proto = dense()
    proto.graph.initializer[0].dims[:] = [2**31, 2**31]
    refused(save(proto, tmp_path), "is refused")
    proto.graph.initializer[0].dims[:] = [4, 4]
    refused(save(proto, tmp_path), "does not fit")
    proto.graph.initializer[0].dims[:] = [-1, 3]
    refused(save(proto, tmp_path), "negative")


def test_functions_that_call_themselves_or_explode(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def call(op: str, source: str, target: str) -> onnx.NodeProto:
        return node(op, [source], [target], domain="own")

    proto = model([call("F0", "x", "y")], {"x": [1, 4]}, ["y"])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(helper.make_function("own", "F0", ["a"], ["b"], [call("F0", "a", "b")], opsets))
    refused(save(proto, tmp_path), "calls itself")
    del proto.functions[:]
    for i in range(30):
        body = [call(f"F{i + 1}", "a", "t"), call(f"F{i + 1}", "t", "b")]
        proto.functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], body, opsets))
    proto.functions.append(helper.make_function("own", "F30", ["a"], ["b"], [node("Relu", ["a"], ["b"])], opsets))
    refused(save(proto, tmp_path), "expand to")


# External data


def external(folder: Path, **entries: str) -> Path:
    proto = dense()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return save(proto, folder)


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"12345678" + W.tobytes())
    check(external(tmp_path, location="sub/w.bin", offset="8", length="48"))


def test_external_data_must_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(W.tobytes())
    (folder / "w.bin").write_bytes(W.tobytes())
    os.symlink(secret, folder / "link.bin")
    for location in ("../secret.bin", str(secret), "a/../../secret.bin", "..\\secret.bin", "C:\\secret.bin", ""):
        refused(external(folder, location=location), "not a plain path")
    refused(external(folder, location="link.bin"), "leaves the model's folder")
    refused(external(folder, location="missing.bin"), "is missing")
    refused(external(folder, location="."), "is missing")
    refused(external(folder, location="w.bin", length="40"), "needs 48 bytes")
    refused(external(folder, location="w.bin", offset="4"), "needs 48 bytes")
    refused(external(folder, location="w.bin", offset="-8"), "not a number")


# What is fine but not supported


def test_all_obstacles_are_listed_at_once(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], ["a"], name="first"),
        node("Det", ["a"], ["b"], name="det0"),
        node("Det", ["a"], ["c"], name="det1"),
        node("Secret", ["a"], ["d"], name="secret", domain="com.acme"),
        node("Relu", ["b"], ["skipped"]),
        node("Sum", ["skipped", "c", "d"], ["y"]),
    ]
    with pytest.raises(UnsupportedModel) as caught:
        load_onnx(save(model(nodes, {"x": [1, 4]}, ["y"], extra_domains=["com.acme"]), tmp_path, "net.onnx"))
    text = str(caught.value)
    assert text.startswith("net.onnx can't be loaded. 2 kinds of node are in the way:\n")
    assert "Det (opset 17)             2 nodes   det0, det1: not supported" in text
    assert "com.acme.Secret (opset 1)  1 node    secret: unknown operator" in text
    assert "Everything before det0 is supported." in text
    assert "skipped" not in text


def test_inputs_that_are_no_real_numbers(tmp_path: Path) -> None:
    proto = dense()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(UnsupportedModel, match="holds int64"):
        load_onnx(save(proto, tmp_path))


def test_training_and_randomness(tmp_path: Path) -> None:
    def unsupported(nodes: list[onnx.NodeProto], match: str, **weights: np.ndarray) -> None:
        with pytest.raises(UnsupportedModel, match=match):
            load_onnx(save(model(nodes, {"x": [1, 4]}, ["y"], weights), tmp_path))

    unsupported([node("Dropout", ["x", "", "t"], ["y"])], "training mode", t=np.array(True))
    unsupported([node("RandomNormalLike", ["x"], ["r"]), node("Add", ["x", "r"], ["y"])], "not supported")
    unsupported([node("Bernoulli", ["p"], ["r"]), node("Add", ["x", "r"], ["y"])], "random", p=np.float32([0.5] * 4))


def test_float_data_of_wrong_length(tmp_path: Path) -> None:
    proto = dense()
    tensor = numpy_helper.from_array(W, "w")
    tensor.ClearField("raw_data")
    tensor.float_data.extend([1.0, 2.0])
    proto.graph.initializer[0].CopyFrom(tensor)
    refused(save(proto, tmp_path), "does not fit")


def test_many_large_tensors_together(tmp_path: Path) -> None:
    large = np.array([2**27], dtype=np.int64)
    nodes = [node("Expand", ["s0", "n"], ["e0"]), node("ReduceSum", ["x"], ["s0"], keepdims=0)]
    for i in range(20):
        nodes.append(node("ReduceSum", [f"e{i}"], [f"s{i + 1}"], keepdims=0))
        nodes.append(node("Expand", [f"s{i + 1}", "n"], [f"e{i + 1}"]))
    nodes.append(node("ReduceSum", ["e20"], ["y"]))
    refused(save(model(nodes, {"x": [1, 4]}, ["y"], {"n": large}), tmp_path), "together")
