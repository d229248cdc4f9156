"""Projected gradient descent on the margin, with random restarts (Madry et al. 2018, section 2.1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from verifier.attacks.attack import Attack
from verifier.graph.graph import Graph, evaluate
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import Region


@dataclass(frozen=True)
class Pgd(Attack):
    """`restarts` random starts of `steps` each. A step goes to the region's far side along the gradient, by a share of
    the region's size that falls from `share` to a tenth of it."""

    steps: int = 40
    restarts: int = 4
    share: float = 0.25
    name = "pgd"

    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        like = next(iter(graph.to(torch.float32).nodes)), torch.float32
        dtype = like[1]
        region, specification = problem.region, problem.specification.to(dtype, "cpu")
        best = region.sample(generator, dtype)
        least = torch.full((problem.batch,), torch.inf, dtype=dtype)
        for _ in range(self.restarts):
            if stop() or bool((least <= 0).all()):
                break
            best, least = self._descend(graph, region, specification, region.sample(generator, dtype), best, least)
        return best

    def _descend(
        self, graph: Graph, region: Region, specification: Specification, x: Tensor, best: Tensor, least: Tensor
    ) -> tuple[Tensor, Tensor]:
        raise NotImplementedError
