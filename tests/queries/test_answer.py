"""Answers to whole queries: what is sat holds exactly, what is unsat is proved, everything else says why."""

import numpy as np
import pytest
from networks_for_queries import asked, boxed, dense, network, save, two_by_two
from onnx import TensorProto, helper

from verifier.batch import Settings
from verifier.errors import InputError
from verifier.formats.vnnlib.reader import parse
from verifier.plan import plan
from verifier.queries import answer as rooms
from verifier.queries.answer import answer
from verifier.queries.assignment import holds, lines, pairs

SETTINGS = Settings(plan("auto"), timeout=20.0)
BOTH = """(declare-network N (declare-input A float32 [1,2]) (declare-input B float32 [1,2])
          (declare-output S float32 [1,2]) (declare-output D float32 [1,2]))"""


COPY = network() + network("E", "(equal-to N)", "P", "Q")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"N": dense(root / "n.onnx", 1), "M": dense(root / "m.onnx", 2), "two": two_by_two(root / "two.onnx")}


def ask(text, models, **names):
    query = parse(text)
    given = {name: models[which] for name, which in (names or {"N": "N"}).items()}
    found = answer(query, given, SETTINGS)
    if found.word == "sat":
        assert holds(query, found.assignment)
        assert list(found.assignment) == [v.name for n in query.networks for v in n.variables]
    return found


@pytest.mark.parametrize("dtype", ["real", "float32"])
def test_both_answers(models, dtype):
    declared = network(dtype=dtype)
    assert ask(asked(*boxed(), "(<= Y[0,0] 100.0)", networks=declared), models).word == "sat"
    found = ask(asked(*boxed(), "(>= Y[0,0] 100.0)", networks=declared), models)
    assert (found.word, found.assignment) == ("unsat", None)
    assert 0 < found.bound < 101


def test_no_input_no_witness(models):
    assert ask(asked(*boxed(1.0, -1.0), "(<= Y[0,0] 100.0)"), models).word == "unsat"


def test_inputs_alone_are_enough(models):
    found = ask(asked(*boxed(), "(<= (+ X[0,0] X[0,1]) (- 2.0))"), models)
    assert found.assignment["X"].tolist() == [[-1.0, -1.0]]
    assert ask(asked(*boxed(), "(< (+ X[0,0] X[0,1]) (- 2.0))"), models).word == "unsat"


def test_a_query_without_comparisons_of_outputs(models):
    assert ask(asked(*boxed()), models).word == "sat"


def test_equal_networks_agree(models):
    """The same inputs give the same outputs: that takes the relation between two copies, not two ranges."""
    two = network() + network("E", "(equal-to N)", "P", "Q")
    same = [f"(== X[0,{i}] P[0,{i}])" for i in (0, 1)]
    differ = asked(*boxed(0.0, 0.5), *boxed(0.0, 0.5, "P"), *same, "(>= Y[0,0] (+ Q[0,0] 1000.0))", networks=two)
    assert ask(differ, models).word == "unsat"
    assert ask(differ.replace("1000.0", "0.0").replace("(== X", "(<= X"), models).word == "sat"


def test_networks_of_their_own(models):
    two = network() + network("M", "(isomorphic-to N)", "P", "Q")
    query = asked(*boxed(), *boxed(x="P"), "(!= Y[0,0] Q[0,0])", networks=two)
    found = ask(query, models, N="N", M="M")
    assert found.word == "sat"
    assert found.assignment["Y"][0, 0] != found.assignment["Q"][0, 0]


def test_hidden_tensors(models):
    declared = network(hidden="H")
    assert ask(asked(*boxed(), "(< H[0,1] 0.0)", networks=declared), models).word == "unsat"
    found = ask(asked(*boxed(), "(<= H[0,1] 0.0)", networks=declared), models)
    assert found.assignment["H"].shape == (1, 4)
    assert ask(asked(*boxed(), "(<= Y[0,0] 100.0)", networks=declared), models).assignment["H"].shape == (1, 4)


def test_several_inputs_and_outputs(models):
    header = f"(vnnlib-version <2.0>) {BOTH}" + "".join(f"(assert {a})" for n in "AB" for a in boxed(0.0, 1.0, n))
    both = {"N": "two"}
    assert ask(header + "(assert (> S[0,1] 2.125))", models, **both).word == "unsat"
    found = ask(header + "(assert (>= (+ S[0,1] D[0,0]) 3.0))", models, **both)
    assert found.assignment["A"].tolist() == [[1.0, 1.0]]


def test_products(models):
    assert ask(asked(*boxed(), "(> (* X[0,0] X[0,1] Y[0,0]) 1000.0)"), models).word == "unsat"
    assert ask(asked(*boxed(), "(>= (* X[0,0] X[0,1]) 1.0)"), models).word == "sat"
    assert ask(asked(*boxed(), "(> (* X[0,0] X[0,1]) 1.0)"), models).word == "unsat"


def test_an_input_fixed_to_a_decimal_takes_its_float32(models):
    declared = network(dtype="float32")
    bounds = ["(== X[0,0] 0.1)", "(<= X[0,1] 0.5)", "(>= X[0,1] 0.5)"]
    query = parse(asked(*bounds, "(<= Y[0,0] 100.0)", networks=declared))
    found = answer(query, {"N": models["N"]}, SETTINGS)
    assert found.word == "sat"
    assert found.assignment["X"][0, 0] == np.float32(0.1)


def test_a_witness_beside_its_range_is_not_called_exact(models):
    """No float32 lies in [0.10000000001, 0.1000000001]: the next one is admitted, and the reason says so."""
    narrow = ["(>= X[0,0] 0.10000000001)", "(<= X[0,0] 0.1000000001)", "(<= X[0,1] 0.5)", "(>= X[0,1] 0.5)"]
    found = answer(parse(asked(*narrow, "(<= Y[0,0] 100.0)")), {"N": models["N"]}, SETTINGS)
    assert found.word == "sat"
    assert "next to it" in found.reason
    assert "next to it" not in ask(asked(*boxed(), "(<= Y[0,0] 100.0)"), models).reason


def test_real_inputs_without_bounds_prove_nothing(models):
    assert ask(asked("(>= X[0,0] 0.0)", "(<= Y[0,0] 3.0)"), models).word == "sat"
    found = ask(asked("(>= X[0,0] 0.0)", "(< (* 0.0 Y[0,0]) (- 1.0))"), models)
    assert found.word == "unsat"  # no comparison is left to bound
    found = ask(asked("(>= X[0,0] 0.0)", "(< X[0,0] (* X[0,1] 0.0))", "(<= Y[0,0] 0.0)"), models)
    assert found.word == "unsat"  # the box is empty
    found = ask(asked("(< (+ X[0,0] 1.0) X[0,0])"), models)
    assert found.word == "unsat"


def test_float32_inputs_without_bounds_are_finite(models):
    """All float32 numbers: |x| <= 3.5e38 is a theorem about them, and none about real numbers."""
    assertion = f"(> X[0,0] 35{'0' * 37}.0)"
    both = "(<= Y[0,0] (+ Y[0,0] Y[0,1]))"
    assert ask(asked(assertion, both, networks=network(dtype="float32")), models).word == "unsat"


def test_many_disjunctions_still_find_a_witness(models):
    many = [f"(or (<= Y[0,0] {100 + i}.0) (>= Y[0,1] {100 + i}.0))" for i in range(14)]
    assert ask(asked(*boxed(), *many), models).word in ("sat", "unknown")
    none = [f"(or (>= Y[0,0] {100 + i}.0) (>= Y[0,1] {100 + i}.0))" for i in range(14)]
    assert ask(asked(*boxed(), *none), models).word == "unsat"


def test_a_witness_that_misses_the_query_is_none(models, monkeypatch):
    monkeypatch.setattr(rooms, "holds", lambda *_: False)
    found = ask(asked(*boxed(), "(<= Y[0,0] 100.0)"), models)
    assert found.word == "unknown"
    assert "not as the runtime computes it" in found.reason


def test_strictness_is_kept(tmp_path):
    """A relu's output is at least zero: zero itself is reached, less is not, and rounding takes nothing from that."""
    models = {"N": dense(tmp_path / "n.onnx", 3)}
    declared = network(hidden="H")
    assert ask(asked(*boxed(-4.0, 4.0), "(<= H[0,0] 0.0)", networks=declared), models).word == "sat"
    assert ask(asked(*boxed(-4.0, 4.0), "(< H[0,0] 0.0)", networks=declared), models).word == "unsat"
    assert ask(asked(*boxed(-4.0, 4.0), "(< (+ H[0,0] 1.0) 1.0)", networks=declared), models).word == "unsat"


def test_no_time(models):
    query = parse(asked(*boxed(), "(>= Y[0,0] 1.0)"))
    found = answer(query, {"N": models["N"]}, Settings(plan("auto"), timeout=1e-6))
    assert (found.word, found.assignment) == ("timed-out", None)


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (asked(*boxed()), {}, "no file for network N"),
        (asked(*boxed()), {"N": "N", "Z": "N"}, "declares no such network"),
        (
            asked(*boxed(), networks=network() + network("E", "(equal-to N)", "P", "Q")),
            {"N": "N", "E": "N"},
            "equal-to",
        ),
        (asked(*boxed(), networks=network(inputs=3)), {"N": "N"}, r"input X.*\[1, 3\].*\[1, 2\]"),
        (asked(*boxed(), networks=network(outputs=3)), {"N": "N"}, r"output Y.*\[1, 3\].*\[1, 2\]"),
        (asked(*boxed(), networks=network(dtype="float64")), {"N": "N"}, "float64.*has type float32"),
        (asked(*boxed(), networks=network(dtype="float16")), {"N": "N"}, "no sound answer"),
        (asked(*boxed(), networks=network(hidden="H").replace('"relu"', '"r"')), {"N": "N"}, "no node .* 'r'"),
        (asked(*boxed()), {"N": "two"}, "declares 1 inputs, but .* has 2"),
    ],
)
def test_files_that_do_not_fit(models, text, given, said):
    with pytest.raises(InputError, match=said):
        answer(parse(text), {name: models[which] for name, which in given.items()}, SETTINGS)


@pytest.mark.parametrize("compared", ["H[0]", "Y[0,0]"])
def test_a_hidden_tensor_of_another_shape(models, compared):
    wrong = network(hidden="H").replace("[1,4]", "[4]")
    with pytest.raises(InputError, match=r"hidden H.*\[1, 4\]"):
        answer(parse(asked(*boxed(), f"(<= {compared} 0.0)", networks=wrong)), {"N": models["N"]}, SETTINGS)


def test_the_first_dialect(models):
    text = "".join(f"(declare-const {v} Real)" for v in ("X_0", "X_1", "Y_0", "Y_1"))
    text += (
        "(assert (>= X_0 0)) (assert (<= X_0 1e-1)) (assert (= X_1 0.5)) (assert (or (and (<= Y_0 100)) (<= Y_1 -100)))"
    )
    query = parse(text)
    found = answer(query, {"N": models["N"]}, SETTINGS)
    assert found.word == "sat"
    words = pairs(query, found.assignment).split("\n")
    assert words[0].startswith("((X_0 ")
    assert words[1] == "(X_1 0.5)"
    assert words[3].startswith("(Y_1 ")
    assert words[3].endswith("))")


def test_the_standard_text(models):
    query = parse(asked(*boxed(), networks=network(hidden="H", dtype="float32")))
    assignment = {"X": np.float32([[0.1, 2]]), "H": np.zeros((1, 4), np.float32), "Y": np.float32([[1e-8, -3]])}
    said = list(lines(query, assignment))
    assert said[0] == "X float32 [1,2]"
    assert [np.float32(float(x)) for x in said[1:3]] == [np.float32(0.1), 2]
    assert said[3] == "H float32 [1,4]"
    assert said[8] == "Y float32 [1,2]"


def test_float64_networks(tmp_path):
    models = {"N": dense(tmp_path / "d.onnx", 1, kind=TensorProto.DOUBLE)}
    declared = network(dtype="float64")
    assert ask(asked(*boxed(), "(>= Y[0,0] 100.0)", networks=declared), models).word == "unsat"
    assert ask(asked(*boxed(), "(<= Y[0,0] 100.0)", networks=declared), models).word == "sat"


@pytest.mark.parametrize(("at", "word"), [("0.0", "unsat"), ("0.5", "sat")])
def test_a_fixed_input_on_a_jump(tmp_path, at, word):
    """Comparing with 0 subtracts nothing, so that nothing is rounded there."""
    graph = helper.make_graph(
        [helper.make_node("Equal", ["x", "zero"], ["same"]), helper.make_node("Cast", ["same"], ["y"], to=1)],
        "jump",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor("zero", TensorProto.FLOAT, [2], [0.0, 0.0])],
    )
    text = asked(*boxed(at, at), "(<= Y[0,0] 0.5)", dtype="float32")
    assert answer(parse(text), {"N": str(save(graph, tmp_path / "jump.onnx"))}, Settings(plan("auto"))).word == word
