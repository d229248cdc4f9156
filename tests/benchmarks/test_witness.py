"""A witness counts if, and only if, the network and the query say so, exactly."""

import gzip
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from compete import witness
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

QUERY = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real)
(assert (>= X_0 -1)) (assert (<= X_0 0.1)) (assert (>= X_1 -1)) (assert (<= X_1 1))
(assert (or (and (>= Y_0 0.5)) (and (<= X_1 -0.5) (<= Y_0 0))))
"""
TWO = """(vnnlib-version <2.0>)
(declare-network f
  (declare-input X float32 [1,2]) (declare-hidden H float32 [1,1] "sum") (declare-output Y float32 [1,1]))
(declare-network g (equal-to f) (declare-input U float32 [1,2]) (declare-output V float32 [1,1]))
(assert (< H[0,0] -0.5)) (assert (== Y[0,0] 0.0)) (assert (> V[0,0] Y[0,0]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Y = relu(X_0 + X_1), of a batch whose size is open, and two queries."""
    folder = tmp_path_factory.mktemp("witness")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["sum"]), helper.make_node("Relu", ["sum"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [1.0, 1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "net.onnx.gz").write_bytes(gzip.compress(model.SerializeToString()))
    onnx.save(model, folder / "net.onnx")
    (folder / "one.vnnlib").write_text(QUERY)
    (folder / "two.vnnlib").write_text(TWO)
    return folder


def check(folder: Path, text: str, query: str = "one.vnnlib") -> tuple[str, str]:
    return witness.check(text, folder / query, {"": folder / "net.onnx.gz"})


def test_a_good_one(files: Path) -> None:
    assert check(files, "((X_0 0.0)\n(X_1 5e-1)\n(Y_0 77))") == ("valid", "")  # printed outputs are ignored
    assert check(files, "X real [2]\n0.0\n5e-1\nY real [1]\n77\n") == ("valid", "")  # the standard's format
    assert check(files, "X real [2]\n0.0\nY real [1]\n77\n") == ("invalid", "X has 1 values, expected 2")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("((X_0 0.1002) (X_1 0.5) (Y_0 0.6))", "X[0] = 0.10019999742507935 is above 0.1"),
        ("((X_0 -0.25) (X_1 0.74999) (Y_0 0.5))", "assertion 1 of 1 does not hold"),  # outputs have no tolerance
        ("((X_0 0.0) (X_1 -1.1) (Y_0 0))", "X[1] = -1.100000023841858 is below -1"),
        ("((X_0 0.0) (X_1 0.25) (Y_0 0.5))", "assertion 1 of 1 does not hold"),
        ("((X_0 0.0) (Y_0 0.5))", "X has 1 values, expected 2"),
        ("((X_1 0.5) (X_0 0.0) (Y_0 0.5))", "the indices of X are not 0, 1, 2, ..."),
        ("((X_0 nan) (X_1 0.5) (Y_0 0.5))", "X has an entry that is nan"),
        ("((X_0 zero) (X_1 0.5) (Y_0 0.5))", "X: could not convert string to float: 'zero'"),
        ("", "X has 0 values, expected 2"),
    ],
)
def test_bad_ones(files: Path, text: str, why: str) -> None:
    assert check(files, text) == ("invalid", why)


NUMBERS = st.floats(-1.25, 1.25, width=32) | st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 0.1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NUMBERS, NUMBERS)
def test_valid_is_what_the_query_says(files: Path, a: float, b: float) -> None:
    x, z = np.float32(a), np.float32(b)
    y = float(max(x + z, np.float32(0)))
    inside = x >= -1 and Fraction(float(x)) <= Fraction(1, 10) and -1 <= z <= 1
    wanted = inside and (y >= 0.5 or (z <= -0.5 and y <= 0))
    assert (check(files, f"((X_0 {x!s})\n(X_1 {z!s})\n(Y_0 0))")[0] == "valid") == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("((X_0 0.1) (X_1 0.5) (Y_0 0.6))", "X[0] = 0.10000000149011612 is above 0.1"),  # rounded to float32
        ("((X_0 0.0) (X_1 -0.49995) (Y_0 0))", "assertion 1 of 1 does not hold"),  # X_1 <= -0.5 is inside an or
    ],
)
def test_inputs_are_tolerated_a_little_outside(files: Path, text: str, why: str) -> None:
    assert check(files, text) == ("tolerated", why)


def blocks(h: str = "-0.75", names: str = "XHYUV", shape: str = "[1,2]", u: str = "0.25") -> str:
    x, hidden, y, other, v = names
    return f"{x} float32 {shape}\n-1\n0.25\n{hidden} float32 [1,1]\n{h}\n{y} float32 [1,1]\n0\n" + (
        f"{other} float32 [1,2]\n{u}\n0.5\n{v} float32 [1,1]\n0.75\n"
    )


def test_two_networks_and_a_hidden_tensor(files: Path) -> None:
    assert check(files, blocks(), "two.vnnlib") == ("valid", "")
    assert check(files, blocks(h="5"), "two.vnnlib") == ("valid", "")  # its printed value, too, is ignored
    assert check(files, blocks(u="-0.5"), "two.vnnlib") == ("invalid", "assertion 3 of 3 does not hold")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (blocks(names="XHYVU"), "it assigns X H Y V U, the query declares X H Y U V"),
        (blocks().rpartition("V")[0], "it assigns X H Y U, the query declares X H Y U V"),
        ("", "no assignment was printed"),
        ("0.5\n" + blocks(), "the assignment starts with '0.5', expected a header `name type [dims]`"),
        (blocks(shape="[2]"), "X has the shape [2], expected [1, 2]"),
    ],
)
def test_malformed_assignments(files: Path, text: str, why: str) -> None:
    assert check(files, text, "two.vnnlib") == ("invalid", why)


def test_a_query_that_cant_be_read_says_nothing_about_the_witness(files: Path) -> None:
    (files / "bad.vnnlib").write_text("(assert")
    state, why = check(files, "((X_0 0))", "bad.vnnlib")
    assert state == "unchecked"
    assert why.startswith("the witness could not be replayed: ")
