"""Which searches have a turn."""

from dataclasses import dataclass, replace

import torch
from laws.searches import Own, law_points, work

from verifier.complete.bab import Bab
from verifier.complete.portfolio import NEURONS, Portfolio, shallow
from verifier.complete.record import Recorder
from verifier.complete.search import Search, Work
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Reason, Unknown, Verdict, Verified

INPUTS = 20


@dataclass(frozen=True)
class Idle(Bab):
    """Finds nothing."""

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        return [Unknown(Reason.LOOSE, -5.0, "idle")] * problem.batch


def network(hidden: int, layers: int = 1) -> Graph:
    """`layers` of ReLUs, all positive, of a sum."""
    builder, last, width = Builder("x", (INPUTS,)), "x", INPUTS
    for layer in range(layers):
        weight = torch.linspace(-1, 1, hidden * width, dtype=torch.float64).sin().reshape(hidden, width)
        last = builder.add(Relu(), builder.add(Linear(weight), last, name=f"z{layer}"), name=f"relu{layer}")
        width = hidden
    return builder.finish(builder.add(Linear(torch.ones(1, width).double()), last, name="y"), {})


def question(graph: Graph, offset: float) -> Problem:
    rows = torch.ones(1, 1, 1, dtype=torch.float64)
    asked = Specification(rows, torch.full((1, 1), offset, dtype=torch.float64), (0,))
    return Problem(Model(graph, Own(graph), "test", ()), box(-torch.ones(1, INPUTS), torch.ones(1, INPUTS)), asked)


def ask(asked: Problem, search: Search, **given: object) -> Verdict:
    return search(asked, replace(work(30.0), **given))[0]  # type: ignore[arg-type]


def test_small_programs_have_a_turn() -> None:
    asked = question(network(6), 0.01)
    found = ask(asked, Portfolio(activations=Idle()))
    assert isinstance(found, Verified)
    assert found.method == "lp-tree"
    law_points(asked, [found])


def test_not_where_nothing_that_they_prove_counts() -> None:
    """A certificate has no place for an LP, and programs are about real arithmetic."""
    asked = question(network(6), 0.01)
    assert isinstance(ask(asked, Portfolio(activations=Idle()), record=Recorder()), Unknown)
    assert isinstance(ask(asked, Portfolio(activations=Idle()), deployed=torch.float32), Unknown)


def test_what_is_shallow() -> None:
    assert shallow(network(6))
    assert not shallow(network(6, layers=2))
    assert not shallow(network(NEURONS + 1))
