"""Inputs tied by equalities: what is asked of fewer inputs is what the query asks, at every point of it."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_for_queries import asked, boxed, dense, network
from test_question import formulas, truth, value_of

import verifier.queries.question as room
from verifier.batch import Settings
from verifier.formats.vnnlib.reader import parse
from verifier.plan import plan
from verifier.properties.expression import Entry
from verifier.queries import ties
from verifier.queries.answer import answer
from verifier.queries.assignment import holds
from verifier.queries.networks import Joint
from verifier.queries.question import questions
from verifier.queries.ties import Tied

SETTINGS = Settings(plan("auto"), timeout=20.0)
PAIR = network("N", hidden="H") + network("M", "(isomorphic-to N)", "U", "V")
COPY = network("N", hidden="H") + network("E", "(equal-to N)", "U", "V", "R")
INPUTS = ["X[0,0]", "X[0,1]", "U[0,0]", "U[0,1]"]
NAMES = [*INPUTS, "Y[0,0]", "Y[0,1]", "V[0,0]", "V[0,1]", "H[0,2]"]
SAME = [f"(== X[0,{i}] U[0,{i}])" for i in (0, 1)]
numbers = st.integers(-8, 8).map(lambda n: f"{n / 4}" if n >= 0 else f"(- {-n / 4})")
few = st.sampled_from([-1.0, 0.0, 0.25, 0.5])  # so that equalities hold by chance
equal = st.tuples(st.sampled_from(INPUTS), st.sampled_from(INPUTS)).map(lambda p: f"(== {p[0]} {p[1]})")
some = st.one_of(equal, st.builds("(or (and {} {}) {})".format, equal, formulas(NAMES, numbers), equal))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"N": dense(root / "n.onnx", 1), "M": dense(root / "m.onnx", 2)}


def ask(text, given_):
    query = parse(text)
    found = answer(query, given_, SETTINGS)
    assert found.word != "sat" or holds(query, found.assignment)
    return found


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([PAIR, COPY]),
    st.lists(some, min_size=1, max_size=3),
    formulas(NAMES, numbers),
    st.tuples(*[few] * 4),
)
def test_broken_exactly_where_the_query_is_true(models, networks, ties, assertion, point):
    """In every case, in some, within a network or between two: at points that meet the equalities and at others."""
    bounds = [*boxed(), *boxed(-0.5, 0.75, "U")]
    query = parse(asked(*bounds, *ties, assertion, networks=networks))
    given_ = models if networks is PAIR else {"N": models["N"]}
    found = questions(query, given_)
    assert value_of(found, point) == truth(query, found, given_, point)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([PAIR, COPY]), st.lists(equal, min_size=1, max_size=2), formulas(NAMES[4:8], numbers))
def test_the_same_answer_as_without(models, networks, ties, assertion):
    """A proof and a witness never face each other, whether ties are written out or left as comparisons."""
    query = parse(asked(*boxed(), *boxed(-0.5, 0.75, "U"), *ties, assertion, networks=networks))
    given_ = models if networks is PAIR else {"N": models["N"]}
    quick = Settings(plan("auto"), timeout=1.5)
    written = answer(query, given_, quick)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "untied", lambda cases, *_: [Tied(case, {}) for case in cases])
        left = answer(query, given_, quick)
    assert {written.word, left.word} != {"sat", "unsat"}
    for found in (written, left):
        assert found.word != "sat" or holds(query, found.assignment)
    if written.word == "unsat":
        _nowhere(query, given_)


def _nowhere(query, given_):
    found = questions(query, given_)
    random = np.random.default_rng(0)
    for point in random.choice([-1.0, -0.5, 0.0, 0.25, 0.5, 0.75], (50, 4)):
        assert not truth(query, found, given_, point)


def test_fewer_inputs_and_ranges_that_meet(models):
    found = questions(
        parse(asked(*boxed(), *boxed(-0.5, 2.0, "U"), *SAME, "(<= Y[0,0] V[0,0])", networks=PAIR)), models
    )
    (batch,) = found.batches
    box = batch.problem.region.box()
    assert batch.problem.model.graph.input.shape == (2,)
    assert (box.lower.tolist(), box.upper.tolist()) == ([[-0.5, -0.5]], [[1.0, 1.0]])
    assert batch.joint.read.tolist() == [0, 1, 0, 1]


def test_ranges_that_do_not_meet(models):
    assert not questions(parse(asked(*boxed(), *boxed(1.5, 2.0, "U"), *SAME, networks=PAIR)), models).batches


@pytest.mark.parametrize(
    ("x", "y"), [("Y[0,0]", "V[0,0]"), ("R[0,3]", "H[0,3]"), ("(* Y[0,0] X[0,1])", "(* U[0,1] V[0,0])")]
)
def test_one_network_on_the_same_inputs_is_one(models, x, y):
    """Exactly: `x > y` and `x != y` are impossible, and no bound is asked. So it is for float32."""
    for dtype in ("real", "float32"):
        networks = COPY.replace("real", dtype)
        for relation in ("(> {} {})", "(!= {} {})"):
            text = asked(*boxed(), *boxed(x="U"), *SAME, relation.format(x, y), networks=networks)
            assert not questions(parse(text), {"N": models["N"]}).batches
    swapped = [f"(== X[0,{i}] U[0,{1 - i}])" for i in (0, 1)]
    assert (
        ask(asked(*boxed(), *boxed(x="U"), *swapped, f"(!= {x} {y})", networks=COPY), {"N": models["N"]}).word == "sat"
    )


def test_another_file_on_the_same_inputs_is_another(models):
    found = ask(asked(*boxed(), *boxed(x="U"), *SAME, "(!= Y[0,0] V[0,0])", networks=PAIR), models)
    assert found.word == "sat"
    assert (found.assignment["X"] == found.assignment["U"]).all()


def test_inequalities_both_ways_tie_and_one_way_does_not(models):
    one, other = "(<= X[0,0] U[0,0])", "(>= X[0,0] U[0,0])"
    for assertions, size in (((one, other), 3), ((one,), 4), ((one, other.replace(">=", ">")), None)):
        text = asked(*boxed(), *boxed(x="U"), *assertions, "(<= Y[0,0] V[0,0])", networks=PAIR)
        shapes = [batch.problem.model.graph.input.shape for batch in questions(parse(text), models).batches]
        assert shapes == ([] if size is None else [(size,)])


@pytest.mark.parametrize("tie", ["(== X[0,0] (+ U[0,0] 0.1))", "(== X[0,0] (* 2.0 U[0,0]))", "(== X[0,0] (- U[0,0]))"])
def test_factors_and_offsets_stay_comparisons(models, tie):
    text = asked(*boxed(), *boxed(x="U"), tie, "(<= Y[0,0] V[0,0])", networks=PAIR)
    (batch,) = questions(parse(text), models).batches
    assert batch.problem.model.graph.input.shape == (4,)


def test_a_tie_to_an_input_that_is_fixed_to_a_decimal(models):
    """Both take the float32 next to 0.1, and 0.1 is what both mean."""
    bounds = [*boxed(0.1, 0.1), *boxed(0.0, 0.1, "U")]
    query = parse(asked(*bounds, *SAME, "(<= Y[0,0] 100.0)", networks=PAIR.replace("real", "float32")))
    found = answer(query, models, SETTINGS)
    assert found.word == "sat"
    assert (found.assignment["U"] == np.float32(0.1)).all()
    (batch,) = questions(query, models).batches
    assert set(batch.meant[0].values()) == {Fraction(1, 10)}


def test_a_tie_bounds_what_has_no_bounds(models):
    assert ask(asked(*boxed(), *SAME, "(>= V[0,0] 100.0)", networks=PAIR), models).word == "unsat"


def test_places_of_a_joint_input():
    joint = Joint((), {"X": 0, "U": 3}, {}, np.arange(6))
    tied = joint.tie({Entry("X", 2): Entry("X", 0), Entry("U", 1): Entry("X", 1)})
    assert tied.read.tolist() == [0, 1, 0, 2, 1, 3]
    assert (tied.entries, tied.tied, joint.tied) == (4, True, False)


def _shifted(self, ties):
    """An index beside the right one."""
    tied = TIE(self, ties)
    return tied if tied is self else replace(tied, read=(tied.read + (np.arange(len(tied.read)) > 1)) % tied.entries)


def _crossed(case, order, types):
    """The other entry of the tensor that is tied to."""
    return {entry: Entry(to.name, 1 - to.index) for entry, to in TIES(case, order, types).items()}


def _one_way(case, order, types):
    """An inequality taken for an equality."""
    pairs = [pair for row in case.rows if (pair := ties._at_most(row, types)) is not None]
    return {large: small for small, large in pairs if order[small.name] < order[large.name]}


def _merged(query, files, tied):
    """Networks of one shape taken for one network."""
    first, *others = query.networks
    return {v.name: o.name for n in others for v, o in zip(n.outputs, first.outputs, strict=True)} if tied else {}


TIE, TIES = Joint.tie, ties._ties
MUTANTS = [(Joint, "tie", _shifted), (ties, "_ties", _crossed), (ties, "_ties", _one_way), (ties, "_same", _merged)]


@pytest.mark.parametrize(("where", "name", "mutant"), MUTANTS, ids=[m[2].__name__ for m in MUTANTS])
def test_wrong_ties_are_noticed(models, monkeypatch, where, name, mutant):
    assert not _wrong(models)
    monkeypatch.setattr(where, name, mutant)
    assert _wrong(models)


def _wrong(models):
    """At how many points do a query and its transformation differ?"""
    wrong = 0
    for tied in (SAME, ["(<= X[0,0] U[0,0])", "(== X[0,1] U[0,1])"]):
        text = asked(*boxed(), *boxed(x="U"), *tied, "(< Y[0,0] V[0,1])", "(>= V[0,0] V[0,1])", networks=PAIR)
        query = parse(text)
        found = questions(query, models)
        for x in itertools.product([-1.0, -0.5, 0.0, 0.25, 1.0], repeat=2):
            for point in ((*x, *x), (*x, 1.0, x[1])):
                wrong += value_of(found, point) != truth(query, found, models, point)
    return wrong
