"""What every attack shares: it proposes, and this base class decides.

A proposal counts only if it lies in the region with no tolerance and another engine (ONNX Runtime, the original module)
finds the property broken there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Generator, Tensor

from verifier.graph.graph import Graph
from verifier.model import Coarse
from verifier.numerics import flat, gamma
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.verdict import Falsified


@dataclass(frozen=True)
class Attack(ABC):
    """A strategy that looks for a counterexample of each of a problem's `B` questions."""

    name = "attack"

    @abstractmethod
    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        """One input each, `(B, *in)`, that may break its property; `graph` is the network in the dtype to search in, on
        the device to search on. `stop` is asked in every loop."""

    def __call__(
        self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool] = lambda: False
    ) -> list[Falsified | None]:
        """Propose, then replay: `B` answers."""
        proposal = self.propose(graph, problem, generator, stop).detach().to("cpu", torch.float32)
        return replay(problem, proposal, self.name)


def replay(problem: Problem, x: Tensor, method: str) -> list[Falsified | None]:
    """`x (B, *in)` float32: which of them lie in their region and break their property in the model's own engine?"""
    region, specification = problem.region.to(torch.float64, "cpu"), problem.specification.to(torch.float64, "cpu")
    evaluator = problem.model.evaluator
    if isinstance(evaluator, Coarse):
        x = torch.from_numpy(evaluator.taken(x.numpy()))  # the point that is run is the one that must lie inside
    inside = region.contains(x)
    answers: list[Falsified | None] = [None] * problem.batch
    index = inside.nonzero().flatten()
    if not len(index):
        return answers
    shape = problem.model.graph.output_shape
    maybe = index[broken(specification.select(index), doubles(evaluator(x[index].numpy()), shape))]
    for i in maybe.tolist():
        alone = torch.tensor([i])
        output = np.asarray(evaluator(x[alone].numpy()))  # once more, as whoever checks it will run it
        y, chosen = doubles(output, shape), specification.select(alone)
        if bool(broken(chosen, y)):
            margin = min(float(chosen.margin(chosen.values(y))), 0.0)
            answers[i] = Falsified(x[i].numpy().copy(), output[0].copy(), margin, method, evaluator.name)
    return answers


def replay_least(
    problem: Problem, x: Tensor, y: Tensor, method: str, most: int, near: float = 0.0
) -> list[tuple[int, Falsified]]:
    """The counterexamples among up to `most` of the points `x (B, *in)` float32, and their places: those whose outputs
    `y (B, *out)` give the least margins, none of them above `near`."""
    margin = problem.specification.margin(problem.specification.values(y))
    hits = (~(margin > near)).nonzero().flatten()
    hits = hits[margin[hits].argsort()][:most]
    answers = replay(problem.select(hits), x[hits], method) if len(hits) else []
    return [(i, answer) for i, answer in zip(hits.tolist(), answers, strict=True) if answer is not None]


def doubles(outputs: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """An engine's outputs as `(N, *out)` float64."""
    return torch.from_numpy(np.asarray(outputs)).double().reshape(len(outputs), *shape)


def broken(specification: Specification, y: Tensor) -> Tensor:
    """`(N,)`: do finite outputs `y (N, *out)` break the property? Decided by fractions where rounding could matter."""
    values = specification.values(y)
    size = flat(specification.rows.abs() * y.abs(), 2).sum(2) + specification.offset.abs()
    slack = gamma(y[0].numel(), y.dtype) * size
    finite = flat(y, 1).isfinite().all(1) & size.isfinite().all(0)
    answer = finite & (specification.margin(values + slack) <= 0)
    doubtful = finite & ~answer & (specification.margin(values - slack) <= 0)
    for i in doubtful.nonzero().flatten().tolist():
        rows, offset = flat(specification.rows[:, i], 1), specification.offset[:, i].tolist()
        clauses: dict[int, list[bool]] = {}
        for row, constant, clause, closed in zip(rows, offset, specification.clause, specification.closed, strict=True):
            value = exact(row, y[i].flatten()) + Fraction(constant)
            clauses.setdefault(clause, []).append(value < 0 if closed else value <= 0)
        answer[i] = any(all(rows_broken) for rows_broken in clauses.values())
    return answer


def exact(row: Tensor, y: Tensor) -> Fraction:
    """`row . y` without rounding."""
    places = row.nonzero().flatten()
    pairs = zip(row[places].tolist(), y[places].tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))
