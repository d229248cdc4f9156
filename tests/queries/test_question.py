"""The transformation: at every point, the questions are broken exactly where the query's assertions are true."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_for_queries import asked, boxed, dense, network

from verifier.attacks.attack import broken
from verifier.formats.vnnlib.reader import parse
from verifier.queries.assignment import complete, holds
from verifier.queries.question import questions

PLAIN = ["X[0,0]", "X[0,1]", "Y[0,0]", "Y[0,1]"]
numbers = st.integers(-8, 8).map(lambda n: f"{n / 4}" if n >= 0 else f"(- {-n / 4})")
decimals = st.integers(-30, 30).map(lambda n: f"{n / 10}" if n >= 0 else f"(- {-n / 10})")
quarters = st.tuples(*[st.integers(-4, 4).map(lambda n: n / 4)] * 4)


def comparisons(names, number):
    atom = st.sampled_from(names)
    product = st.builds("(* {} {})".format, st.one_of(number, atom), atom)
    term = st.one_of(number, atom, product, st.builds("(+ {} {})".format, product, atom))
    return st.builds("({} {} {})".format, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), term, term)


def formulas(names, number):
    return st.recursive(
        comparisons(names, number),
        lambda f: st.builds("({} {} {})".format, st.sampled_from(["and", "or"]), f, f),
        max_leaves=5,
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"N": dense(root / "n.onnx", 1), "M": dense(root / "m.onnx", 2)}


def value_of(asked_, point):
    """Is some question broken at the joint input `point`?"""
    for batch in asked_.batches:
        problem, read = batch.problem, batch.joint.read
        own = np.zeros(batch.joint.entries)
        own[read] = point
        if (own[read] != point).any():
            continue  # inputs that are one in these cases differ
        x = torch.tensor(own, dtype=torch.float32).reshape(1, *problem.model.graph.input.shape)
        y = torch.from_numpy(np.asarray(problem.model.evaluator(x.numpy()))).double()
        y = y.reshape(1, *problem.model.graph.output_shape)
        torch.testing.assert_close(problem.model.graph(x.double()), y, rtol=1e-5, atol=1e-5)
        for i in range(problem.batch):
            one = problem.select(torch.tensor([i]))
            if bool(one.region.contains(x)) and bool(broken(one.specification, y)):
                return True
    return False


def truth(query, asked_, models, point):
    assignment = complete(query, asked_.joint, models, np.asarray(point, np.float32))
    return holds(query, assignment)


@settings(max_examples=60, deadline=None)
@given(st.lists(formulas(PLAIN, numbers), min_size=1, max_size=2), quarters)
def test_one_network(models, assertions, point):
    query = parse(asked(*boxed(), *assertions))
    given_ = {"N": models["N"]}
    found = questions(query, given_)
    assert value_of(found, point[:2]) == truth(query, found, given_, point[:2])


@settings(max_examples=40, deadline=None)
@given(st.lists(formulas(PLAIN, decimals), min_size=1, max_size=2), quarters)
def test_decimals_lose_no_witness(models, assertions, point):
    query = parse(asked(*boxed(), *assertions))
    given_ = {"N": models["N"]}
    found = questions(query, given_)
    if truth(query, found, given_, point[:2]):
        assert value_of(found, point[:2])


TWO = (
    network("N", hidden="H") + network("M", "(isomorphic-to N)", "U", "V") + network("E", "(equal-to N)", "P", "Q", "R")
)
NAMES = ["X[0,0]", "Y[0,1]", "H[0,2]", "U[0,1]", "V[0,0]", "V[0,1]", "P[0,0]", "Q[0,0]", "R[0,3]"]


@settings(max_examples=40, deadline=None)
@given(formulas(NAMES, numbers), quarters, quarters)
def test_several_networks(models, assertion, first, second):
    bounds = [*boxed(), *boxed(x="U"), *boxed(x="P")]
    query = parse(asked(*bounds, assertion, networks=TWO))
    found = questions(query, models)
    point = (*first, *second[:2])
    assert value_of(found, point) == truth(query, found, models, point)


def test_boxes_of_disjuncts_do_not_leak(models):
    """(x0 in [0, 1/4] and y0 > 5) or (x0 in [1/2, 1] and y0 > 100): each bound belongs to its own threshold."""
    parts = ["(and (<= X[0,0] 0.25) (>= Y[0,0] 5.0))", "(and (>= X[0,0] 0.5) (>= Y[0,0] 100.0))"]
    found = questions(parse(asked(*boxed(0.0), f"(or {' '.join(parts)})")), {"N": models["N"]})
    (batch,) = found.batches
    box, asks = batch.problem.region.box(), batch.problem.specification
    got = {(box.lower[i, 0, 0].item(), box.upper[i, 0, 0].item(), asks.offset[0, i].item()) for i in range(2)}
    assert got == {(0.0, 0.25, 5.0), (0.5, 1.0, 100.0)}


def test_cases_of_one_box_are_clauses_of_one_question(models):
    found = questions(parse(asked(*boxed(), "(or (<= Y[0,0] 1.0) (< Y[0,1] 2.0))")), {"N": models["N"]})
    (batch,) = found.batches
    assert batch.problem.batch == 1
    assert batch.problem.specification.clause == (0, 1)
    assert sorted(batch.problem.specification.closed) == [False, True]


def test_a_network_of_which_outputs_are_compared_stays_as_loaded(models):
    (batch,) = questions(parse(asked(*boxed(), "(<= Y[0,0] Y[0,1])")), {"N": models["N"]}).batches
    assert batch.problem.model.graph.output_shape == (1, 2)
    assert [node.op.label for node in batch.problem.model.graph.nodes].count("Pick") == 0


@pytest.mark.parametrize("assertion", ["(and (<= X[0,0] 0.0) (>= X[0,0] 0.5))", "(and (< X[0,0] 0.5) (>= X[0,0] 0.5))"])
def test_an_empty_box_asks_nothing(models, assertion):
    assert not questions(parse(asked(*boxed(), assertion, "(<= Y[0,0] 0.0)")), {"N": models["N"]}).batches
    assert not questions(parse(asked(*boxed(1.0, 0.5), "(<= Y[0,0] 0.0)")), {"N": models["N"]}).batches
