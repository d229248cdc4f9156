"""Which bounds are kept for the boxes of a question."""

import time
from dataclasses import replace

import pytest
import torch
from laws.searches import Own, law_points, work

from verifier.bounding.methods import Crown, Method, Zonotope
from verifier.bounding.propagate import Bounds
from verifier.complete.input_split import InputSplit
from verifier.complete.trial import FORWARDS, MANY, WALKS, suited, winner
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified

INPUTS = 12
FAST, SLOW = Zonotope(1), Zonotope(2)


def question(hidden: int, vary: int, offset: float = 0.0) -> Problem:
    """`sum(relu(w x + b))` plus `offset`, where `vary` inputs do."""
    gen = torch.Generator().manual_seed(0)
    builder = Builder("x", (INPUTS,))
    weight = torch.randn(hidden, INPUTS, generator=gen, dtype=torch.float64)
    relu = builder.add(Relu(), builder.add(Linear(weight, weight[:, 0]), "x", name="z"), name="relu")
    graph = builder.finish(builder.add(Linear(torch.full((1, hidden), 1 / hidden).double()), relu, name="y"), {})
    asked = Specification(torch.ones(1, 1, 1).double(), torch.full((1, 1), offset, dtype=torch.float64), (0,))
    ends = (torch.arange(INPUTS) < vary).float().unsqueeze(0)
    return Problem(Model(graph, Own(graph), "test", ()), box(-ends, ends), asked)


def kept(lacks: dict[Method, float], asked: Problem) -> tuple[Method, list[Method]]:
    """Who wins, and who was asked; the second takes ten times as long."""
    tried = list[Method]()

    def bound(method: Method) -> Bounds:
        tried.append(method)
        time.sleep(0.01 if method == FAST else 0.1)
        return Bounds({}, torch.full((1, 1), -lacks[method], dtype=torch.float64))

    return winner(tuple(lacks), bound, asked)[0], tried


@pytest.mark.parametrize(("vary", "expected"), [(1, FAST), (5, SLOW)])
def test_what_a_method_lacks_counts_once_for_each_input(vary: int, expected: Method) -> None:
    """Half as much, for ten times the time."""
    assert kept({FAST: 2.0, SLOW: 1.0}, question(6, vary)) == (expected, [FAST, SLOW])


def test_what_decides_is_the_last() -> None:
    assert kept({FAST: -1.0, SLOW: -2.0}, question(6, 3)) == (FAST, [FAST])


def test_large_networks_with_few_inputs_go_forwards() -> None:
    assert suited(question(MANY, 2)) == WALKS == suited(question(MANY + 1, FORWARDS + 1)) == (Crown(),)
    assert suited(question(MANY + 1, 0)) == WALKS  # of inputs that don't vary there are none to cut
    assert suited(question(MANY + 1, 2)) == (Zonotope(2), Zonotope())


def test_what_goes_forwards_is_sound() -> None:
    """On both sides of the least value, which is that of a grid but for next to nothing."""
    asked = question(MANY + 1, 1)
    grid = torch.zeros(401, INPUTS, dtype=torch.float64)
    grid[:, 0] = torch.linspace(-1, 1, 401)
    least = float(asked.model.graph(grid).min())
    for gap, proved in ((0.01, True), (-0.01, False)):
        asked = replace(question(MANY + 1, 1, offset=gap - least))
        verdicts = InputSplit()(asked, work(30.0))
        assert isinstance(verdicts[0], Verified) == proved
        law_points(asked, verdicts)
