"""Projected gradient descent on the margin, with random restarts (Madry et al. 2018, section 2.1)."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from verifier.attacks.attack import Attack
from verifier.attacks.objective import descend, normal
from verifier.attacks.steps import starts, steepest
from verifier.attacks.surrogate import straight_through
from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import Region

DENSITY = (0.004, 0.02, 0.001)  # of an L1 ball's coordinates move together, by restart; measured on the shipped models


@dataclass(frozen=True)
class Pgd(Attack):
    """`restarts` starts of `steps` each, all questions and restarts in one batch as far as `bytes` allow.

    A step is a share of the region's size that falls evenly from `share` to nothing, along the steepest direction of
    gradients gathered with `momentum`. The first restart follows whichever clause is least; the others have one each:
    the second most promising where it starts, the third, and so on, which finds about a tenth more than without.
    """

    steps: int = 40
    restarts: int = 4
    share: float = 0.5
    momentum: float = 0.5
    bytes: int = 2**29
    name = "pgd"

    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        device = device_of(graph)
        rows = problem.specification.rows
        kind = next((t.dtype for t in tensors(graph) if t.is_floating_point()), torch.float32)
        search = _Search(
            straight_through(graph),
            problem.region.to(torch.float64, device),
            problem.specification.to(kind, device),
            generator,
        )
        entries = sum(node.size for node in graph.nodes) + 2 * rows[:, :1].numel()
        chunk = max(1, self.bytes // (3 * entries * kind.itemsize))
        todo = torch.arange(self.restarts * problem.batch, device=device)
        while len(todo) and not stop():
            self._run(search, todo[:chunk] % problem.batch, todo[:chunk] // problem.batch, stop)
            todo = todo[chunk:]
            todo = todo[search.least[todo % problem.batch] > 0]
        return search.best

    def _run(self, search: "_Search", owner: Tensor, restart: Tensor, stop: Callable[[], bool]) -> None:
        """Descend for question `owner[i]` with start `restart[i]`; questions that are solved leave."""
        region, specification = search.region.select(owner), search.specification.select(owner)
        x = starts(region, restart, search.generator)
        velocity, target = torch.zeros_like(x), None
        density = torch.tensor(DENSITY, device=x.device)
        for step in range(self.steps + 1):
            margin, gradient, target = descend(search.graph, specification, x, target, restart)
            search.record(x, margin, owner)
            left = search.least[owner] > 0
            if step == self.steps or stop() or not left.any():
                return
            velocity = self.momentum * velocity + search.somewhere(gradient)
            if not left.all():
                owner, restart, x, target = owner[left], restart[left], x[left], target[left]
                region, specification, velocity = region.select(left), specification.select(left), velocity[left]
            share = self.share * (1 - step / self.steps)
            move = steepest(region, x, velocity, density[restart % len(density)])
            x = region.project(x + share * move)


class _Search:
    """What one call works on, and the best input of each question so far."""

    def __init__(self, graph: Graph, region: Region, specification: Specification, generator: Generator) -> None:
        self.graph, self.region, self.specification, self.generator = graph, region, specification, generator
        self.best = region.project(region.box().center.float())
        self.least = torch.full((region.batch,), torch.inf, dtype=specification.rows.dtype, device=self.best.device)

    def record(self, x: Tensor, margin: Tensor, owner: Tensor) -> None:
        """Keep the first of the least margins of each question."""
        least = self.least.scatter_reduce(0, owner, margin, "amin")
        place = torch.arange(len(x), device=x.device)
        place = torch.where(margin <= least[owner], place, len(x))
        first = place.new_full(least.shape, len(x)).scatter_reduce(0, owner, place, "amin")
        won = (least < self.least) & (first < len(x))
        self.best[won], self.least = x[first[won]], least

    def somewhere(self, gradient: Tensor) -> Tensor:
        """Where a gradient vanished, a random one."""
        gone = flat(gradient == 0, 1).all(1)
        if not gone.any():
            return gradient
        noise = torch.randn(gradient[gone].shape, generator=self.generator, device=self.generator.device)
        return gradient.index_put((gone,), normal(noise).to(gradient))


def tensors(graph: Graph) -> list[Tensor]:
    """The network's parameters."""
    values = (getattr(node.op, f.name) for node in graph.nodes for f in fields(node.op))
    return [v for v in values if isinstance(v, Tensor)]


def device_of(graph: Graph) -> torch.device:
    return next((t.device for t in tensors(graph)), torch.device("cpu"))
