"""What decides about a counterexample: the region without tolerance, another engine, the property without rounding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from attacks.nets import Own, identity_problem, tensor
from torch import Generator, Tensor

from verifier.attacks.attack import Attack, broken, replay
from verifier.graph.graph import Graph
from verifier.numerics import up
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import ball


@dataclass(frozen=True)
class Fixed(Attack):
    """Proposes what it is told."""

    x: Tensor = None  # type: ignore[assignment]
    name = "fixed"

    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        return self.x


def test_a_counterexample_is_reported_with_what_the_engine_said() -> None:
    question = identity_problem()
    (answer,) = Fixed(torch.tensor([[0.25, 0.75]]))(question.model.graph, question, Generator())
    assert answer is not None
    assert answer.witness.tolist() == [0.25, 0.75]
    assert answer.output.tolist() == [0.25, 0.75]
    assert (answer.margin, answer.method, answer.engine) == (-0.5, "fixed", "own")
    assert answer.witness.dtype == np.float32


def test_a_tie_breaks_the_property() -> None:
    (answer,) = replay(identity_problem(), torch.tensor([[0.5, 0.5]]), "test")
    assert answer is not None
    assert answer.margin == 0.0


@pytest.mark.parametrize("x", [[1.0, 0.0], [0.5, 0.25]])
def test_where_the_property_holds_nothing_is_reported(x: list[float]) -> None:
    assert replay(identity_problem(), torch.tensor([x]), "test") == [None]


def test_an_ulp_outside_is_refused() -> None:
    assert replay(identity_problem(), torch.tensor([[0.5, 1.0]]), "test") != [None]
    assert replay(identity_problem(), torch.stack([torch.tensor([0.5, up(torch.tensor(1.0))])]), "test") == [None]


def test_an_ulp_outside_a_ball_is_refused() -> None:
    question = identity_problem()
    question = replace(question, region=ball(torch.zeros(1, 2), 0.5, 2, -1.0, 1.0))
    assert replay(question, torch.tensor([[0.0, 0.499999]]), "test") != [None]
    assert replay(question, torch.stack([torch.tensor([0.0, up(torch.tensor(0.5))])]), "test") == [None]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_proposal_that_is_no_number_is_refused(bad: float) -> None:
    assert replay(identity_problem(), torch.tensor([[0.0, bad]]), "test") == [None]


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y * torch.nan,
        lambda y: y * -torch.inf,
        lambda y: torch.where(y > 0.5, torch.nan, y),
        lambda y: y.flip(-1),
    ],
)
def test_the_engine_has_the_last_word(change: Callable[[Tensor], Tensor]) -> None:
    """Outputs that are no numbers break nothing, and another network's counterexample is none of this one."""
    question = identity_problem()
    model = replace(question.model, evaluator=Own(question.model.graph, change))
    assert replay(replace(question, model=model), torch.tensor([[0.25, 0.75]]), "test") == [None]


@dataclass(frozen=True)
class Moody:
    """An engine whose sums depend on how many inputs it is given at once."""

    graph: Graph
    name: str = "moody"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = self.graph(torch.from_numpy(x).double()).numpy()
        return np.asarray(y if len(x) == 1 else y[:, ::-1].copy())


def test_a_witness_counts_only_if_it_stands_alone() -> None:
    question = identity_problem(2)
    model = replace(question.model, evaluator=Moody(question.model.graph))
    assert replay(replace(question, model=model), torch.tensor([[0.75, 0.25]] * 2), "test") == [None, None]


def test_batches_keep_their_order() -> None:
    question = identity_problem(5)
    x = torch.tensor([[0.5, 0.1], [0.1, 0.5], [2.0, 9.0], [0.3, 0.4], [0.4, 0.3]])
    answers = replay(question, x, "test")
    assert [a is not None for a in answers] == [False, True, False, True, False]
    assert answers[3] is not None
    assert np.array_equal(answers[3].witness, x[3].numpy())


def test_broken_is_decided_exactly() -> None:
    """0.1 * 3 - 0.3 is positive with the floats 0.1 and 0.3, but float64 arithmetic may say zero or less."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 400, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(400, 3, generator=generator).double()
    rows[0, :, 2] = -(rows[0, :, 0] * y[:, 0] + rows[0, :, 1] * y[:, 1]) / y[:, 2]  # nearly zero, either way
    found = broken(Specification(rows, torch.zeros(1, 400, dtype=torch.float64), (0,)), y)
    pairs = [zip(r.tolist(), v.tolist(), strict=True) for r, v in zip(rows[0], y, strict=True)]
    exact = [sum(Fraction(a) * Fraction(b) for a, b in pair) <= 0 for pair in pairs]
    assert found.tolist() == exact
    assert 0 < sum(exact) < 400


def test_broken_knows_and_from_or() -> None:
    eye = torch.eye(2, dtype=torch.float64).unsqueeze(1)
    zero = torch.zeros(2, 1, dtype=torch.float64)
    for y, either, both in (([1.0, 1.0], False, False), ([0.0, 1.0], True, False), ([0.0, -1.0], True, True)):
        assert bool(broken(Specification(eye, zero, (0, 1)), tensor([y]))) == either
        assert bool(broken(Specification(eye, zero, (0, 0)), tensor([y]))) == both
