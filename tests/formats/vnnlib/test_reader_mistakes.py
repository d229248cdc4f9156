"""What is wrong with a file, and on which line."""

import gzip
import re
from pathlib import Path

import pytest

from verifier.errors import InputError
from verifier.formats.vnnlib.reader import parse, read

FLAT = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n"
TENSORS = "(vnnlib-version <2.0>)\n(declare-network N (declare-input X real [2,3])(declare-output Y real []))\n"
F32 = TENSORS.replace("real", "float32")
SECOND = "(declare-network M {} (declare-input V real {})(declare-output W real []))"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (FLAT + "\n(assert (<= X_1 0))", 4, "declared variable, found 'X_1'"),
        (FLAT + "(assert (<= X_0 1.2.3))", 3, "expected a number such as -1, 0.5 or 1e-05, found '1.2.3'"),
        (FLAT + "(assert (<= X_0 -inf))", 3, "expected a number"),
        (FLAT + "(assert (<= X_0 nan))", 3, "found 'nan'"),
        (FLAT + "(assert (<= X_0 ١))", 3, "found '١'"),
        (FLAT + "(assert (<= X_0 1_0))", 3, "found '1_0'"),
        (FLAT + "(assert (<= X_0 1e99999999))", 3, "found '1e99999999'"),
        (FLAT + "(assert (<= X_0 1e" + "9" * 10_000 + "))", 3, "expected a number"),
        (FLAT + "(assert )", 3, "one formula, found 0"),
        (FLAT + "(assert X_0)", 3, "expected comparisons, found 'X_0'"),
        (FLAT + "(assert (+ X_0 1))", 3, "expected comparisons"),
        (FLAT + "(assert (and))", 3, "found nothing"),
        (FLAT + "(assert (<= X_0))", 3, "two terms, found 1"),
        (FLAT + "(assert (<= 0 X_0 1))", 3, "two terms, found 3"),
        (FLAT + "(assert (<= (<= X_0 1) 1))", 3, "found a formula"),
        (FLAT + "(assert (<= (+) 1))", 3, "found nothing"),
        (FLAT + "(assert\n(and (<= X_0 1)\n(<= Y_0 2))", 3, "never closed"),
        (FLAT + "(assert (<= X_0 1)))", 3, "closes nothing"),
        (FLAT + "(<= X_0 1)", 3, "expected a form such as (assert ...)"),
        (FLAT + "X_0", 3, "expected a form such as (assert ...)"),
        (FLAT + "(assert (and (<= X_0 1) (assert (<= X_0 1))))", 3, "did not expect"),
        (FLAT + "(assert (or (declare-const X_1 Real)))", 3, "did not expect"),
        (FLAT + "(assert (xor (<= X_0 1)))", 3, "found 'xor'"),
        (FLAT + "(assert (<= X_0 (/ 1 3)))", 3, "found '/'"),
        (FLAT + "(assert (let ((a 1)) (<= X_0 a)))", 3, "found 'let'"),
        (FLAT + "(declare-const X_0 Real)", 3, "X_0 is declared twice"),
        (FLAT + "(declare-const Z_0 Real)", 3, "found 'Z_0'"),
        (FLAT + "(declare-const X_1 Int)", 3, "expected (declare-const X_0 Real)"),
        (FLAT + "(declare-fun X_1 (Real) Real)", 3, "expected"),
        (FLAT + "(declare-network N)", 3, "found 'declare-network'"),
        (FLAT + "(assert (<= X_0 \x00))", 3, "found"),
        (FLAT + '(assert (<= X_0 "1))', 3, "did not expect"),
        (FLAT + "(assert " + "(or (and (<= X_0 1) " * 51, 3, "nested more than"),
        (FLAT + "(assert " + "(and " * 100_000, 3, "nested more than"),
        (FLAT + "(assert " + "(=> " * 1900 + "(<= X_0 1)" + " (<= Y_0 1))" * 1900 + ")", 3, "nested more than"),
        (FLAT + "(" * 100_000, 3, "expected a keyword after the parenthesis"),
        (FLAT + "(assert (<= X_0 " + "(- " * 100_000 + "X_0" + ")" * 100_000, 3, "nested more than"),
        (FLAT + "(assert (<= X_0 (*" + " (+ X_0 Y_0 1)" * 2000 + ")))", 3, "more than"),
        (FLAT + "(assert (<= X_0 (*" + " 1e2000" * 1000 + ")))", 3, "4000 digits"),
        (TENSORS + "(assert (<= X[0,3] 1.0))", 3, "out of range"),
        (TENSORS + "(assert (<= X[0,-1] 1.0))", 3, "does not fit"),
        (TENSORS + "(assert (<= X[0] 1.0))", 3, "does not fit"),
        (TENSORS + "(assert (<= X[0,1 2] 1.0))", 3, "does not fit"),
        (TENSORS + "(assert (<= X 1.0))", 3, "an index is missing"),
        (TENSORS + "(assert (<= Y[0] 1.0))", 3, "does not fit"),
        (TENSORS + "(assert (<= Z[0] 1.0))", 3, "found 'Z[0]'"),
        (TENSORS + "(assert (not (<= Y 1.0)))", 3, "found 'not'"),
        (TENSORS + "(declare-const X_0 Real)", 3, "belongs to VNN-LIB 1.0"),
        (TENSORS + TENSORS.splitlines()[1], 3, "the network N is declared twice"),
        (TENSORS + SECOND.format("", "[2]").replace("V", "X"), 3, "the variable X is declared twice"),
        (TENSORS + SECOND.format("", "[0]"), 3, "positive integers"),
        (TENSORS + SECOND.format("", "[2]").replace("real", "float"), 3, "found 'float'"),
        (TENSORS + SECOND.format("", "[2]").replace("real", "float32"), 3, "no other type"),
        (TENSORS + SECOND.format("", ""), 3, "expected a type and a shape"),
        (TENSORS + SECOND.format("(equal-to Z)", "[2,3]"), 3, "not declared before"),
        (TENSORS + SECOND.format("(equal-to M)", "[2,3]"), 3, "not declared before"),
        (TENSORS + SECOND.format("(equal-to N)", "[3,2]"), 3, "shapes and types"),
        (TENSORS + SECOND.format("(isomorphic-to N)", "[3,2]"), 3, "shapes and types"),
        (TENSORS + SECOND.format("(equal-to N) (isomorphic-to N)", "[2,3]"), 3, "at most one"),
        (TENSORS + "(declare-network M (declare-output W real []) (declare-input V real []))", 3, "inputs first"),
        (TENSORS + "(declare-network M (declare-output W real []))", 3, "inputs first"),
        (TENSORS + "(declare-input V real [])", 3, "does not belong"),
        (TENSORS + "(vnnlib-version <2.0>)", 3, "found 'vnnlib-version'"),
        (F32 + SECOND.format("", "[2]").replace("real", "float64") + "\n(assert (<= (- Y Y) W))", 4, "different types"),
        (F32.replace("float32", "int8") + "(assert (<= Y 0.5))", 3, "write an integer"),
        (F32.replace("float32", "int8") + "(assert (<= X[0,0] 1.0))", 3, "write an integer"),
    ],
)
def test_the_line_and_what_was_expected(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError, match=rf"^VNN-LIB text, line {line}: .*{re.escape(words)}") as caught:
        parse(text)
    assert len(str(caught.value)) < 400


def test_chains_of_networks() -> None:
    second = SECOND.format("(equal-to N)", "[2,3]")
    third = SECOND.format("(equal-to M)", "[2,3]").replace(" M ", " O ", 1).replace("V", "A").replace("W", "B")
    with pytest.raises(InputError, match=r"line 4: O refers to the network M, which itself refers to another"):
        parse(TENSORS + second + "\n" + third)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(assert (<= 0 1))", "X_0 is not declared"),
        ("(declare-const X_0 Real)", "Y_0 is not declared"),
        ("(declare-const X_1 Real)(declare-const Y_0 Real)", "X_0 is not declared, though 1 of X are"),
        ("(vnnlib-version <3.0>)", "found version 3.0"),
        ("(vnnlib-version <2.0>)", "declares no network"),
    ],
)
def test_of_the_whole_text(text: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        parse(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    packed = gzip.compress((FLAT * 100).encode())
    cases = {
        "missing": None,
        "cut": packed[:-20],
        "damaged": packed[:15] + b"\xff" * 5 + packed[20:],
        "bytes": b"(declare-const X_0 Real)\n\n; caf\xe9",
    }
    for name, data in cases.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            read(tmp_path / name)
    with pytest.raises(InputError, match="line 3: byte 0xe9 is not UTF-8"):
        read(tmp_path / "bytes")
    with pytest.raises(InputError, match="can't read"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (" ; nothing\n", "holds no"),
    ],
)
def test_files_without_a_query(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(text)
