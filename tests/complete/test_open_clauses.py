"""Rows of clauses that are closed in all boxes of a round are not asked again; those of open ones always are."""

import pytest
import torch
from laws.searches import Own, law_points, work

from verifier.bounding.propagate import Bounds
from verifier.bounding.rows import LinearRows
from verifier.complete.input_split import InputSplit
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified

CLAUSES = (0, 1, 1, 2)


def question(offset: float) -> Problem:
    """`|x| + |y| + offset` is positive, in three clauses, of which two are wider."""
    builder = Builder("x", (2,))
    sides = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    relu = builder.add(Relu(), builder.add(Linear(sides), "x", name="z"), name="relu")
    graph = builder.finish(builder.add(Linear(torch.ones(1, 4, dtype=torch.float64)), relu, name="y"), {})
    offsets = torch.tensor([[5.0], [-5.0], [4.0], [offset]], dtype=torch.float64)
    asked = Specification(torch.ones(4, 1, 1, dtype=torch.float64), offsets, CLAUSES)
    return Problem(Model(graph, Own(graph), "test", ()), box(-torch.ones(1, 2), torch.ones(1, 2)), asked)


def specification(batch: int = 3) -> Specification:
    rows = torch.arange(4.0).reshape(4, 1, 1).expand(4, batch, 1)
    return Specification(rows, torch.arange(4.0).reshape(4, 1).expand(4, batch), CLAUSES, (False, True, False, True))


def test_the_clauses_that_stay_are_numbered_anew() -> None:
    part = specification().only(torch.tensor([False, True, True]))
    assert (part.clause, part.closed) == ((0, 0, 1), (True, False, True))
    assert part.offset[:, 0].tolist() == part.rows[:, 0, 0].tolist() == [1.0, 2.0, 3.0]
    whole = specification()
    assert whole.only(torch.ones(3, dtype=torch.bool)) is whole


def test_nothing_is_known_of_rows_that_were_not_asked() -> None:
    mine = torch.tensor([False, True, True, False])
    form = LinearRows(torch.arange(12.0).reshape(4, 3), torch.ones(4, 3, 5))  # by two ways
    found = Bounds({}, torch.ones(2, 3), form).among(mine)
    assert found.rows is not None
    assert found.form is not None
    assert found.rows.isneginf().all(1).tolist() == (~mine).tolist()
    assert found.form.base.isneginf().all(1).tolist() == 2 * (~mine).tolist()
    assert torch.equal(found.form.base[mine.repeat(2)], form.base)
    assert found.form.clause(torch.tensor(CLAUSES)).tolist() == 2 * list(CLAUSES)


@pytest.mark.parametrize(("offset", "holds"), [(0.1, True), (-0.1, False)])
def test_every_open_clause_is_asked(offset: float, holds: bool) -> None:
    asked = question(offset)
    verdicts = InputSplit()(asked, work(10.0))
    assert isinstance(verdicts[0], Verified) == holds
    law_points(asked, verdicts)


def test_a_search_that_leaves_out_an_open_clause_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant asks but the first clause; the others stay open then, whatever they are."""
    original = Specification.only
    first = torch.tensor([True, False, False])
    monkeypatch.setattr(Specification, "only", lambda self, clauses: original(self, first))
    monkeypatch.setattr(Bounds, "among", lambda self, mine, among=Bounds.among: among(self, first[list(CLAUSES)]))
    assert not isinstance(InputSplit()(question(0.1), work(2.0))[0], Verified)
