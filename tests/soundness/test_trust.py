"""A solver's word that nothing re-derived is never told as a proof: not for a query, an input, or in the summary."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from verifier import load, robust
from verifier.batch import Settings
from verifier.bounding.methods import Ibp
from verifier.cli.table import summary
from verifier.complete.exact.program import Answer, Program, Status
from verifier.complete.exact.search import Milp
from verifier.data import Choice, gather
from verifier.formats.vnnlib.reader import parse
from verifier.plan import plan
from verifier.queries.answer import answer
from verifier.radius import max_radius
from verifier.survey import Question, Survey
from verifier.verdict import Trust

QUERY = """(vnnlib-version <2.0>)
(declare-network N (declare-input X real [1,2]) (declare-output Y real [1,2]))
(assert (>= X[0,0] -1.0)) (assert (<= X[0,0] 1.0)) (assert (>= X[0,1] -1.0)) (assert (<= X[0,1] 1.0))
(assert (<= Y[0,0] Y[0,1]))"""


class Lying:
    """A solver that claims any bound, and gives nothing to re-derive it from."""

    name = "liar"

    def __call__(self, program: Program, seconds: float, stop_above: float = np.inf) -> Answer:
        return Answer(Status.LIMIT, 0.5)


BELIEVED = (Milp(bounding=Ibp(), solver=Lying(), few=0, nodes=0),)


@pytest.fixture
def model(tmp_path):
    """Two numbers as they are: the first isn't always the greater."""
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "same", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_of_a_query(model):
    found = answer(parse(QUERY), {"N": model}, Settings(BELIEVED, timeout=20.0))
    assert (found.word, found.reason) == ("unsat", Trust.SOLVER.value)
    assert answer(parse(QUERY), {"N": model}, Settings(plan("auto"), timeout=20.0)).word == "sat"


def survey(model, tmp_path, question):
    np.save(tmp_path / "x.npy", np.array([[[0.6, 0.5]]], dtype=np.float32))
    loaded = load(model)
    inputs = gather(loaded, Choice(str(tmp_path / "x.npy"), range=(0.0, 1.0)))
    return [outcome.record for outcome in Survey(loaded, inputs, question, {"method": BELIEVED}).run()]


@pytest.mark.parametrize("question", [Question(eps=0.2), Question(eps=0.2, farthest=True)])
def test_of_an_input(model, tmp_path, question):
    records = survey(model, tmp_path, question)
    assert [record.verdict for record in records] == ["verified"]
    assert Trust.SOLVER.value in records[0].detail
    text = summary(records, 1, str, own_labels=False)
    assert text.count(Trust.SOLVER.value) == 2  # beside the input, and beside the count


def test_of_a_proof_nothing_is_said(model, tmp_path):
    loaded = load(model)
    (far,) = max_radius(loaded, torch.tensor([[[0.6, 0.5]]]), robust(torch.tensor([0]), (1, 2)), method=Ibp())
    assert far.proof is not None
    assert far.proof.trust is Trust.RECHECKED
