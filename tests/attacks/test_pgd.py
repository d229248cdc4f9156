"""The attack finds what was planted, in every kind of region and property, and says the same twice."""

from dataclasses import replace

import pytest
import torch
from attacks.nets import Own, dense, problem, random_net, tensor
from torch import Generator, Tensor

from verifier.attacks.objective import clauses, normal, weights
from verifier.attacks.pgd import Pgd
from verifier.attacks.steps import steepest
from verifier.attacks.surrogate import straight_through
from verifier.graph.ops.activation import Ceil, Floor, Relu, Round, Sigmoid, Sign, Tanh
from verifier.problem import Problem
from verifier.properties import Specification, robust
from verifier.regions import Region, ball, box, linf

NORMS = [1, 2, torch.inf]


def region_of(center: Tensor, radius: float | Tensor, p: float, least: float = -9.0, most: float = 9.0) -> Region:
    if p == torch.inf:
        return linf(center, radius, least, most)
    return ball(center, radius, int(p), least, most)  # type: ignore[arg-type]


def attack(question: Problem, pgd: Pgd | None = None, seed: int = 0) -> list[bool]:
    graph = question.model.graph.to(torch.float32)
    answers = (pgd or Pgd())(graph, question, Generator().manual_seed(seed))
    inside = question.region
    for i, answer in enumerate(answers):
        if answer is not None:
            x = torch.from_numpy(answer.witness).unsqueeze(0)
            assert inside.select(torch.tensor([i])).contains(x).all()
    return [a is not None for a in answers]


def nearest(margin: float, p: float) -> float:
    """How far a linear margin with slopes (3, -4) reaches zero, in the norm's own distance."""
    return margin / {1: 4.0, 2: 5.0, torch.inf: 7.0}[p]


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize(("factor", "expected"), [(1.02, True), (0.98, False)])
def test_a_linear_network_falls_exactly_where_it_must(p: float, factor: float, expected: bool) -> None:
    graph = dense(([[3.0, -4.0]], [1.0]), size=2)
    question = problem(graph, region_of(torch.zeros(3, 2), nearest(1.0, p) * factor, p), tensor([[1.0]]), (0,))
    assert attack(question) == [expected] * 3


def bump(place: list[float], width: float) -> tuple[list[list[float]], list[float]]:
    """Rows whose ReLUs, summed, measure the L1 distance to `place` beyond `width`."""
    rows = [[s if i == j else 0.0 for j in range(len(place))] for i in range(len(place)) for s in (1.0, -1.0)]
    bias = [-s * c for c in place for s in (1.0, -1.0)]
    return rows, bias


@pytest.mark.parametrize("p", NORMS)
def test_a_planted_basin_is_found(p: float) -> None:
    """The property breaks only within an L1 distance of 0.05 of a planted place."""
    place = [0.31, -0.22, 0.12, 0.05]
    graph = dense(bump(place, 0.0), Relu(), ([[1.0] * 8], [-0.05]), size=4)
    question = problem(graph, region_of(torch.zeros(1, 4), 1.0, p), tensor([[1.0]]), (0,))
    assert attack(question, Pgd(steps=100)) == [True]


@pytest.mark.parametrize("clause", [(0, 0), (0, 1)])
def test_and_and_or(clause: tuple[int, ...]) -> None:
    """`y0 > 0` fails for x < 0.3, `y1 > 0` for x > 0.7: one of them (OR) always holds, both (AND) never do."""
    graph = dense(([[1.0], [-1.0]], [-0.3, 0.7]), size=1)
    question = problem(graph, box(torch.zeros(1, 1), torch.ones(1, 1)), torch.eye(2), clause)
    assert attack(question) == [clause == (0, 1)]


def test_a_conjunction_of_unsafe_conditions() -> None:
    """One clause of two rows breaks only in the corner where both rows are at most zero."""
    graph = dense(([[1.0, 0.2], [0.2, 1.0]], [1.1, 1.1]), size=2)
    question = problem(graph, box(torch.full((4, 2), -1.0), torch.ones(4, 2)), torch.eye(2), (0, 0))
    assert attack(question) == [True] * 4


def test_batches_belong_to_their_own_questions() -> None:
    """Labels differ, one region is empty of counterexamples, and each radius is its own."""
    graph = dense(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), size=2)
    center = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    radius = torch.tensor([[0.6], [0.6], [0.4], [0.0]])
    question = problem(graph, linf(center, radius, -9.0, 9.0), tensor([[1.0, -1.0]]), (0,))
    question = replace(question, specification=robust(torch.tensor([0, 1, 0, 1]), (2,)))
    assert attack(question) == [True, True, False, False]
    flipped = replace(question, specification=robust(torch.tensor([1, 0, 1, 1]), (2,)))
    assert attack(flipped) == [True, True, True, False]


@pytest.mark.parametrize("p", NORMS)
def test_one_free_pixel(p: float) -> None:
    graph = dense(([[5.0, 5.0, 1.0]], [0.3]), size=3)
    radius = torch.tensor([[0.0, 0.0, 0.31]])
    assert attack(problem(graph, region_of(torch.zeros(1, 3), radius, p), tensor([[1.0]]), (0,))) == [True]
    assert attack(problem(graph, region_of(torch.zeros(1, 3), radius * 0.9, p), tensor([[1.0]]), (0,))) == [False]


@pytest.mark.parametrize("p", NORMS)
def test_zero_width(p: float) -> None:
    """A single point is tried as well; a tie there is a counterexample."""
    graph = dense(([[1.0, -1.0]], [0.0]), size=2)
    center = torch.tensor([[0.5, 0.5], [0.75, 0.5]])
    assert attack(problem(graph, region_of(center, 0.0, p), tensor([[1.0]]), (0,))) == [True, False]


@pytest.mark.parametrize("op", [Sign(), Floor(), Ceil(), Round()])
def test_steps_without_gradient(op: object) -> None:
    """Their true gradient is zero everywhere; sixteen of them must all be moved to one side."""
    generator = torch.Generator().manual_seed(1)
    signs = torch.randn(16, generator=generator).sign()
    weight = (torch.eye(16) * 2 * signs).tolist()
    graph = dense((weight, [0.01] * 16), op, ([[1.0] * 16], [15.0]), size=16)  # type: ignore[arg-type]
    question = problem(graph, linf(torch.zeros(2, 16), 0.6, -1.0, 1.0), tensor([[1.0]]), (0,))
    assert attack(question) == [True, True]


@pytest.mark.parametrize(("op", "bias"), [(Sigmoid(), 0.5), (Tanh(), -0.5), (Relu(), 0.5)])
def test_saturated_networks_leave_no_step_that_is_not_finite(op: object, bias: float) -> None:
    """Where float32 sees no slope at the centre, random points still reach the slope."""
    graph = dense(([[500.0], [-500.0]], [-300.0, -300.0]), op, ([[-1.0, -1.0]], [bias]), size=1)  # type: ignore[arg-type]
    assert attack(problem(graph, box(torch.full((1, 1), -1.0), torch.ones(1, 1)), tensor([[1.0]]), (0,))) == [True]


def test_outputs_that_overflow_stop_nothing() -> None:
    """Half of the box gives infinite outputs in float32; the counterexample lies in the other half."""
    graph = dense(([[1e30, 0.0], [0.0, 1.0]], [0.0, 0.5]), Relu(), ([[1e30, 0.0], [0.0, 1.0]], [0.0, -0.4]), size=2)
    question = problem(graph, box(torch.full((1, 2), -1.0), torch.ones(1, 2)), tensor([[0.0, 1.0]]), (0,))
    assert attack(question) == [True]


def test_a_network_that_ignores_its_input() -> None:
    graph = dense(([[0.0, 0.0]], [-1.0]), size=2)
    region = box(torch.zeros(2, 2), torch.ones(2, 2))
    assert attack(problem(graph, region, tensor([[1.0]]), (0,))) == [True, True]
    assert attack(problem(graph, region, tensor([[-1.0]]), (0,))) == [False, False]


@pytest.mark.parametrize("p", NORMS)
def test_same_seed_same_answer(p: float) -> None:
    graph = random_net(3, (6, 20, 4), Relu())
    center = torch.rand(7, 6, generator=Generator().manual_seed(0))
    labels = graph(center.double()).argmax(1)
    question = replace(
        problem(graph, region_of(center, 0.2, p), torch.eye(4)[:1], (0,)), specification=robust(labels, (4,))
    )
    pgd, cast = Pgd(steps=10), graph.to(torch.float32)
    first = pgd.propose(cast, question, Generator().manual_seed(5), lambda: False)
    again = pgd.propose(cast, question, Generator().manual_seed(5), lambda: False)
    assert torch.equal(first, again)


@pytest.mark.parametrize(("p", "radius"), [(1, 3.0), (2, 1.2), (torch.inf, 0.6)])
def test_little_memory_finds_as_much(p: float, radius: float) -> None:
    graph = random_net(4, (6, 20, 20, 3), Relu())
    center = torch.rand(12, 6, generator=Generator().manual_seed(0))
    labels = graph(center.double()).argmax(1)
    question = replace(
        problem(graph, region_of(center, radius, p), torch.eye(3)[:1], (0,)), specification=robust(labels, (3,))
    )
    whole, parts = attack(question), attack(question, Pgd(bytes=2**13))
    assert 0 < sum(whole) < 12
    assert whole == parts


def test_more_classes_than_the_nearest_are_tried() -> None:
    """The class that looks nearest at every start can't win; the one behind it can."""
    weight = [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    graph = dense((weight, [1.0, 0.99, -0.95]), size=2)
    question = problem(graph, box(torch.full((1, 2), -1.0), torch.ones(1, 2)), torch.eye(3)[:1], (0,))
    question = replace(question, specification=robust(torch.tensor([0]), (3,)))
    assert attack(question, Pgd(steps=10)) == [True]


def test_stop_is_obeyed() -> None:
    graph = random_net(5, (4, 8, 2), Relu())
    question = problem(graph, linf(torch.zeros(2, 4), 0.1, -1.0, 1.0), tensor([[1.0, -1.0]]), (0,))
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 3

    Pgd(steps=10**6).propose(graph.to(torch.float32), question, Generator(), stop)
    assert len(calls) < 8


def test_float64_networks_are_attacked_as_well() -> None:
    graph = dense(([[3.0, -4.0]], [1.0]), size=2)
    question = problem(graph, linf(torch.zeros(1, 2), 0.2, -1.0, 1.0), tensor([[1.0]]), (0,))
    x = Pgd().propose(graph, question, Generator().manual_seed(0), lambda: False)
    assert x.dtype == torch.float32
    assert float(graph(x.double())) < 0


def test_an_l1_step_moves_few_coordinates() -> None:
    region = ball(torch.zeros(2, 1000), 1.0, 1, -9.0, 9.0)
    gradient = torch.randn(2, 1000, generator=Generator().manual_seed(0))
    step = steepest(region, torch.zeros(2, 1000), gradient, torch.tensor([0.01, 0.1]))
    assert (step != 0).sum(1).tolist() == [10, 100]
    assert torch.allclose(step.abs().sum(1), torch.ones(2))
    assert (step * gradient <= 0).all()


@pytest.mark.parametrize("p", NORMS)
def test_coordinates_at_their_end_take_no_share_of_a_step(p: float) -> None:
    region = region_of(torch.zeros(1, 3), 0.5, p, 0.0, 1.0)
    step = steepest(region, torch.zeros(1, 3), torch.tensor([[9.0, -1.0, 8.0]]), torch.tensor([0.01]))
    assert step[0, 0] == step[0, 2] == 0
    assert step[0, 1] > 0


def test_gradients_are_made_finite() -> None:
    gradient = torch.tensor([[torch.nan, 2.0], [torch.inf, 1.0], [0.0, 0.0], [1e-44, 0.0]])
    scaled = normal(gradient)
    assert scaled.isfinite().all()
    assert (scaled.abs() <= 1).all()
    assert scaled[0].tolist() == [0.0, 1.0]
    assert scaled[2].tolist() == [0.0, 0.0]


def test_weights_follow_the_rows_that_still_hold() -> None:
    chosen = Specification(torch.zeros(4, 3, 1), torch.zeros(4, 3), (0, 0, 1, 1))
    values = torch.tensor([[3.0, -1.0, 2.0], [1.0, -2.0, 5.0], [9.0, 9.0, 1.0], [9.0, 9.0, -1.0]])
    assert clauses(chosen, values).tolist() == [[3.0, -1.0, 5.0], [9.0, 9.0, 1.0]]
    assert weights(chosen, values, torch.tensor([-1, -1, -1])).T.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert weights(chosen, values, torch.tensor([1, 1, 0])).T.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize("op", [Sign(), Floor(), Ceil(), Round()])
def test_borrowed_slopes_leave_values_alone(op: object) -> None:
    graph = dense(([[1.3]], [0.1]), op, size=1)  # type: ignore[arg-type]
    x = torch.linspace(-3, 3, 101, dtype=torch.float64).unsqueeze(1).requires_grad_()
    y = straight_through(graph)(x)
    assert torch.equal(y, graph(x))
    assert (torch.autograd.grad(y.sum(), x)[0] > 0).all()


def test_an_engine_that_disagrees_ends_no_search_with_a_false_answer() -> None:
    graph = dense(([[3.0, -4.0]], [1.0]), size=2)
    question = problem(graph, linf(torch.zeros(1, 2), 0.2, -1.0, 1.0), tensor([[1.0]]), (0,))
    model = replace(question.model, evaluator=Own(graph, lambda y: y.abs() + 1))
    assert attack(replace(question, model=model)) == [False]
