"""What VNN-LIB text becomes, form by form."""

import gzip
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from verifier.formats.vnnlib.query import Query, Variable
from verifier.formats.vnnlib.reader import parse, read
from verifier.properties.expression import Comparison, Entry, Or

FLAT = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
X0, X1, Y0 = Entry("X", 0), Entry("X", 1), Entry("Y", 0)


def flat(*assertions: str) -> Query:
    return parse(FLAT + "\n".join(assertions))


def tensors(*assertions: str, dtype: str = "real") -> Query:
    network = f"(declare-network N (declare-input X {dtype} [2]) (declare-output Y {dtype} [1,2]))"
    return parse("\n".join(["(vnnlib-version <2.0>)", network, *assertions]))


def test_flat_networks() -> None:
    query = flat()
    assert query.version == "1.0"
    assert query.networks[0].name == "N"
    assert query.networks[0].variables == (Variable("X", "input", "real", (2,)), Variable("Y", "output", "real", (1,)))
    assert query.assertions == ()


@pytest.mark.parametrize(
    ("text", "least", "greatest"),
    [
        ("(<= X_0 0.5)", None, "0.5"),
        ("(>= X_0 -1e-05)", "-0.00001", None),
        ("(<= .5 X_0)", "0.5", None),
        ("(>= +1 X_0)", None, "1"),
        ("(= X_0 1.)", "1", "1"),
        ("(== 3 X_0)", "3", "3"),
        ("(<= (* 2 X_0) 1)", None, "0.5"),
        ("(<= (- X_0) 1)", "-1", None),
        ("(<= (+ X_0 X_0 1) (- 4 2 1))", None, "0"),
        ("(and (<= X_0 2) (and (>= X_0 1) (<= X_0 3)))", "1", "2"),
        ("( and\n( <= X_0 2 ) ; a comment\n)", None, "2"),
        ("(<= X_0 0.1000000000000000000000000000000000001)", None, "0.1000000000000000000000000000000000001"),
    ],
)
def test_bounds_are_set_aside(text: str, least: str | None, greatest: str | None) -> None:
    query = flat(f"(assert {text})")
    assert query.assertions == ()
    assert query.least == ({X0: Decimal(least)} if least else {})
    assert query.greatest == ({X0: Decimal(greatest)} if greatest else {})


@pytest.mark.parametrize(
    "text",
    [
        "(< X_0 1)",
        "(!= X_0 1)",
        "(<= (* 3 X_0) 1)",
        "(<= Y_0 1)",
        "(<= (* X_0 X_0) 1)",
        "(<= X_0 X_1)",
        "(or (<= X_0 1) (<= X_0 0))",
        "(not (< X_0 1))",
        "(=> (<= X_1 0) (<= X_0 1))",
    ],
)
def test_everything_else_stays(text: str) -> None:
    query = flat(f"(assert {text})")
    assert len(query.assertions) == 1 or text.startswith("(not")
    assert not query.greatest


def test_a_bound_under_or_is_no_bound() -> None:
    """Also where the same text was asserted before."""
    query = flat("(assert (<= X_0 5))", "(assert (or (<= X_0 1) (and (<= X_0 2) (<= X_1 3))))")
    assert query.greatest == {X0: Decimal(5)}
    [formula] = query.assertions
    assert isinstance(formula, Or)
    assert formula.at({X0: Fraction(2), X1: Fraction(3)})
    assert not formula.at({X0: Fraction(2), X1: Fraction(4)})


def test_a_bound_under_not_is_its_opposite() -> None:
    [formula] = flat("(assert (not (<= X_0 1)))").assertions
    assert isinstance(formula, Comparison)
    assert [formula.at({X0: Fraction(n, 2)}) for n in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "true"), [("(<= 1 2)", True), ("(and (< 2 1) (<= Y_0 0))", False), ("(<= X_0 X_0)", True)]
)
def test_constants_are_compared(text: str, true: bool) -> None:
    assert all(formula.at({Y0: Fraction(0)}) for formula in flat(f"(assert {text})").assertions) is true


def test_two_networks() -> None:
    query = parse(
        "(vnnlib-version <2.1>) (declare-network f (declare-input X Float32 [1, 4])"
        '(declare-hidden H float32 [] "a;(b)")'
        "(declare-output Y float32[2]))\n(declare-network g (equalTo f) (declare-input V float32 [1,4])"
        "(declare-output W float32 [2]))(assert (== H W [1])) (assert (<= X[0, 3] 1))"
    )
    f, g = query.networks
    assert (f.equal_to, g.equal_to, g.isomorphic_to) == ("", "f", "")
    assert f.hidden == (Variable("H", "hidden", "float32", (), "a;(b)"),)
    assert f.inputs == (Variable("X", "input", "float32", (1, 4)),)
    assert query.greatest == {Entry("X", 3): Decimal(1)}
    [formula] = query.assertions
    assert set(formula.left.entries()) == {Entry("H", 0), Entry("W", 1)}


def test_isomorphic_networks_may_have_other_types() -> None:
    text = (
        "(vnnlib-version <2.0>)(declare-network f (declare-input X float32 [2])(declare-output Y float32 []))"
        "(declare-network g (isomorphic-to f)(declare-input V float16 [2])(declare-output W float16 []))"
    )
    assert parse(text).networks[1].isomorphic_to == "f"


def test_integers_stay_integers() -> None:
    """Half an integer is no bound that a later reader of the type could use."""
    query = tensors("(assert (<= (* 2 X[0]) 1))", "(assert (<= X[1] 3))", dtype="int64")
    assert query.greatest == {X1: Decimal(3)}
    assert len(query.assertions) == 1


def test_order_and_blanks_do_not_matter() -> None:
    text = (
        "\n; first\n(set-logic QF_LRA)(declare-fun Y_0 () Real)\n(declare-const\tX_1 Real)(declare-const X_0 Real)\r\n"
    )
    query = parse(text + "(assert\n(<= X_1\r\n1))(check-sat)")
    assert query.greatest == {X1: Decimal(1)}


def test_nested_sums_and_conjunctions_of_any_length() -> None:
    """Generators nest to the right, one parenthesis a term."""
    length = 1500
    nested = "(and (<= X_0 1) " * length + "(<= X_1 1)" + ")" * length
    total = "(+ X_0 " * length + "X_1" + ")" * length
    query = flat(f"(assert {nested})", f"(assert (<= {total} Y_0))")
    assert query.greatest == {X0: Decimal(1), X1: Decimal(1)}
    assert query.assertions[0].left.terms[(X0,)] == length


def test_files(tmp_path: Path) -> None:
    text = (FLAT + "(assert (<= X_0 1))").encode()
    for name, data in (("a.vnnlib", text), ("b.vnnlib", gzip.compress(text)), ("c.vnnlib.gz", b"\xef\xbb\xbf" + text)):
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name).greatest == {X0: Decimal(1)}
