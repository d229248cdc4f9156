"""Sampled points: within their region, no more than asked for, and where steps hide every gradient."""

import pytest
import torch
from laws.searches import Own
from torch import Generator

from verifier.attacks.sampled import LEAST, Sampled
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Floor, Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box


def asked(questions: int) -> Problem:
    """`floor(8 x) < 7` for each input, which no gradient shows to be wrong near 1."""
    build = Builder("x", (1,))
    name = build.add(Linear(torch.full((1, 1), 8.0, dtype=torch.float64)), "x", name="eight")
    name = build.add(Relu(), build.add(Floor(), name, name="steps"), name="relu")
    graph = build.finish(build.add(Linear(-torch.ones(1, 1, dtype=torch.float64)), name, name="y"), {})
    rows = torch.ones(1, questions, 1, dtype=torch.float64)
    offset = torch.full((1, questions), 7.0, dtype=torch.float64)
    ends = torch.ones(questions, 1, dtype=torch.float64)
    return Problem(Model(graph, Own(graph), "test"), box(-ends, ends), Specification(rows, offset, (0,)))


def test_it_finds_what_gradients_hide() -> None:
    problem = asked(3)
    x = Sampled().propose(problem.model.graph.to(torch.float32), problem, Generator(), lambda: False)
    assert bool(problem.region.contains(x).all())
    assert bool((x >= 0.875).all())


@pytest.mark.parametrize(("questions", "most"), [(1, 1000), (3, 999), (1000 // LEAST + 1, 0)])
def test_questions_share_the_points(questions: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one query may be thousands: points for each of them took longer than the proof."""
    problem, count, honest = asked(questions), [0], Graph.__call__

    def counted(self: Graph, x: torch.Tensor) -> torch.Tensor:
        count[0] += len(x)
        return honest(self, x)

    monkeypatch.setattr(Graph, "__call__", counted)
    rows = torch.full_like(problem.specification.offset, 99.0)
    problem = Problem(problem.model, problem.region, Specification(problem.specification.rows, rows, (0,)))
    Sampled(count=1000).propose(problem.model.graph, problem, Generator(), lambda: False)
    assert count[0] <= most
    assert bool(count[0]) == bool(most)
