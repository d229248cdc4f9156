"""The end of a run: what kept inputs open is told, once."""

import json

import numpy as np
from onnx import TensorProto, helper, save

from verifier.cli.table import summary
from verifier.results import Record

LONG = "2 kind(s) of node have no bounds yet:\n  can't bound yet: Erf at a (1x2)\nwhat to do"


def table(records, named=str):
    return summary(records, len(records), named, own_labels=False)


def test_long_details_are_told_once():
    for count in (3, 30):
        text = table([Record(k, 0, "unknown", reason="unsupported", detail=LONG) for k in range(count)])
        assert text.count("Erf") == 1
        assert text.endswith("what to do")
        assert text.count("can't bound yet") == 1


def test_a_search_that_time_ended_is_told():
    records = [Record(k, 0, "verified", verified_eps=0.1, broken_eps=0.3, becomes=1) for k in range(2)]
    assert "--timeout" not in table(records)
    late = [records[0], Record(1, 0, "verified", "time", verified_eps=0.1, broken_eps=0.3, becomes=1, detail="near")]
    assert "1 of 2 searches were ended by --timeout" in table(late)
    assert "0 -> 1  time: near" in table(late)


def test_timeout_of_a_search_reaches_the_record(command, pair, array, tmp_path):
    x = array([[0.7, 0.3]])
    words = (pair, "--max-eps", "--inputs", x, "--timeout", "1e-6", "--json", tmp_path / "r.jsonl")
    _, out, _ = command(*words)
    (record,) = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert record["reason"] == "time"
    assert "--timeout" in out


def test_too_many_classes_is_memory(command, tmp_path, array):
    classes = 4000  # 24 bytes for each pair: 366 MiB
    graph = helper.make_graph(
        [helper.make_node("Expand", ["x", "shape"], ["wide"]), helper.make_node("Mul", ["wide", "ramp"], ["y"])],
        "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, classes])],
        [
            helper.make_tensor("shape", TensorProto.INT64, [2], [1, classes]),
            helper.make_tensor("ramp", TensorProto.FLOAT, [1, classes], np.linspace(0, 1, classes).tolist()),
        ],
    )
    path = tmp_path / "wide.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    words = (path, "--eps", "0.01", "--inputs", array([[0.5], [0.6]]), "--memory", "100M")
    code, out, _ = command(*words, "--json", tmp_path / "r.jsonl")
    assert code == 3
    records = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert {(r["verdict"], r["reason"]) for r in records} == {("unknown", "memory")}
    assert "3,999 others takes 366 MiB" in out
