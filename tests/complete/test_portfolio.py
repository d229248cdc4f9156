"""Which searches have a turn."""

import time
from dataclasses import dataclass, field, replace

import pytest
import torch
from laws.searches import Own, law_points, work

from verifier.bounding.methods import Crown
from verifier.complete.bab import ActivationSearch, Bab
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


class Stuck:
    """A tree that never gets beyond a bound, and how it was asked to go on."""

    def __init__(self, best: float) -> None:
        self.best, self.asked = best, list[bool]()

    def until(self, deadline: float, sharpens: bool) -> Verdict:
        self.asked.append(sharpens)
        return Unknown(Reason.LOOSE, self.best, "stuck")


@dataclass(frozen=True)
class Idle(Bab):
    """Finds nothing, with one and the same tree."""

    tree: Stuck = field(default_factory=lambda: Stuck(-5.0))

    def begin(self, problem: Problem, work: Work) -> ActivationSearch:
        return self.tree  # type: ignore[return-value]


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


class Far:
    """A run over inputs that gets nowhere, and how often it had a turn."""

    def __init__(self) -> None:
        self.turns = 0

    def begin(self, problem: Problem, work: Work) -> "Far":
        return self

    def left(self) -> float:
        return 1.0

    def until(self, deadline: float) -> list[Verdict]:
        self.turns += 1
        return [Unknown(Reason.TIME, -1.0, "far")]

    def drop(self, questions: object) -> None: ...

    def write(self, proved: object) -> None: ...


@pytest.mark.parametrize(("best", "asked", "turns"), [(-0.5, [False, True, True, True], 4), (-2.0, [False, True], 2)])
def test_who_comes_closer_has_turns(best: float, asked: list[bool], turns: int) -> None:
    """Activations between those of inputs and, in any case, after them."""
    few = question(network(6), 0.01)
    few = replace(few, region=box(torch.zeros(1, INPUTS), torch.eye(1, INPUTS)))
    inputs, tree = Far(), Stuck(best)
    found = ask(few, Portfolio(inputs=inputs, activations=Idle(tree=tree)))  # type: ignore[arg-type]
    assert isinstance(found, Unknown)
    assert found.best == max(best, -1.0)
    assert (inputs.turns, tree.asked) == (turns, asked)


class Slow(Stuck):
    """Takes longer than it may."""

    def until(self, deadline: float, sharpens: bool) -> Verdict:
        time.sleep(0.3)
        return super().until(deadline, sharpens)


def test_a_turn_of_many_trees_ends_with_its_time() -> None:
    """Each may take longer than its share; the others have none then."""
    one, tree = question(network(6, layers=2), -30.0), Slow(-5.0)
    many = one.select(torch.zeros(50, dtype=torch.long))
    found = Portfolio(activations=Idle(tree=tree))(many, work(1.0))
    assert all(isinstance(verdict, Unknown) for verdict in found)
    assert 1 <= len(tree.asked) <= 5


def test_a_tree_goes_on_where_it_was() -> None:
    """Interrupted after every round, it needs the domains that it needs in one go, and finds the same."""
    asked = question(network(12, layers=2), -3.0)
    method = Bab(first=0, steps=0, root=Crown(intermediate=False))
    whole = method.begin(asked, work(60.0))
    answer = whole.until(time.monotonic() + 60, False)
    parts, turns = method.begin(asked, work(60.0)), 0
    while True:
        parts.work = replace(parts.work, domains=parts.done + 1)
        found = parts.until(time.monotonic() + 60, False)
        turns += 1
        if not isinstance(found, Unknown):
            break
        assert found.reason is Reason.DOMAINS
    assert type(found) is type(answer)
    assert turns > 3
