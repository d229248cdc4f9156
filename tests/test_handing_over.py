"""What a stage proves of a network is what the searches after it go on with."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given
from laws.strategies import EVERYTHING, Recipe, examples, recipes
from test_plan import a_problem, verdicts

from verifier.batch import Settings
from verifier.bounding.methods import AlphaCrown, Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.record import Recorder
from verifier.complete.search import Proved, Search, Work
from verifier.errors import UnsupportedModel
from verifier.problem import Problem
from verifier.verdict import Reason, Unknown, Verdict, Verified


@dataclass(frozen=True)
class Listening(Search):
    """Decides nothing; notes what it was given."""

    heard: list[tuple[Problem, Proved | None]] = field(default_factory=list)
    name = "listening"

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        self.heard.append((problem, work.proved))
        return [Unknown(Reason.LOOSE, -1.0, self.name)] * problem.batch


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=3)], ids=lambda method: method.name)
def test_bounds_go_on_where_others_ended(method: Crown | AlphaCrown) -> None:
    @examples(30)
    @given(recipes(EVERYTHING, batch=2, depth=4))
    def law(recipe: Recipe) -> None:
        case = recipe.case()
        try:
            first = propagate(case.graph, case.region, Crown(), case.specification, Options(proof=True))
        except UnsupportedModel:
            return
        settled = Options(proof=True, known=first.table, settled=True)
        on, whole = (
            propagate(case.graph, case.region, method, case.specification, o).rows
            for o in (settled, Options(proof=True))
        )
        assert first.rows is not None
        assert on is not None
        assert whole is not None
        assert torch.allclose(on, whole, rtol=1e-6, atol=1e-6, equal_nan=True)

    law()


def test_a_search_is_given_its_own_question() -> None:
    listening, asked = Listening(), a_problem(batch=3, size=0.5)
    found = verdicts(asked, Settings((Crown(), listening), 30.0))
    assert len(listening.heard) == sum(not isinstance(verdict, Verified) for verdict in found) > 1
    for problem, proved in listening.heard:
        assert proved is not None
        box, table = problem.region.box(), proved.of(problem)
        assert set(table) == {node.name for node in problem.model.graph.nodes}
        assert torch.equal(table[problem.model.graph.input.name].lower, box.lower.double())
        copy = replace(problem, model=replace(problem.model, graph=replace(problem.model.graph)))
        assert not proved.of(copy), "another graph may mean something else by a name"
    (first, known), (second, _) = listening.heard[:2]
    assert known is not None
    assert known.of(first)
    assert not known.of(second), "another region holds other values"


def test_nothing_is_handed_over_for_a_certificate_or_without_memory() -> None:
    for settings in ({"record": Recorder()}, {"bytes": 1000}):
        listening = Listening()
        verdicts(a_problem(batch=2, size=0.5), Settings((Crown(), listening), 30.0, **settings))  # type: ignore[arg-type]
        assert all(proved is None for _, proved in listening.heard)
        assert listening.heard
