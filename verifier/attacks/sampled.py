"""Points spread evenly over the inputs that vary: where steps hide every gradient, and few inputs vary, they find what
descent does not. A Sobol sequence (1967), shifted at random."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.quasirandom import SobolEngine

from verifier.attacks.attack import Attack
from verifier.bounding.stepped import places, stepped
from verifier.graph.graph import Graph
from verifier.numerics import flat, shaped
from verifier.problem import Problem
from verifier.regions import Box

FEW = 16  # inputs that vary, up to which points can be spread evenly
LEAST = 64  # points of a question; fewer find little that descent does not


@dataclass(frozen=True)
class Sampled(Attack):
    """Up to `count` points, shared by the questions about boxes in which few inputs vary, in batches as `bytes` allow;
    the point with the least margin is proposed. Other questions, and all where they are too many, get the middle of
    their region."""

    count: int = 4096
    bytes: int = 2**27
    name = "sampled"

    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        best = problem.region.project(problem.region.box().center.float())
        if not isinstance(problem.region, Box):
            return best
        few = (flat(problem.region.box().varies, 1).sum(1) <= FEW).nonzero().flatten()
        count = self.count // max(len(few), 1)
        for i in few if count >= LEAST else ():
            if stop():
                break
            best[i] = self._least(graph, problem.select(i.reshape(1)), count, generator, stop)
        return best

    def _least(
        self, graph: Graph, problem: Problem, count: int, generator: Generator, stop: Callable[[], bool]
    ) -> Tensor:
        """The best of `count` points `(*in)` of one question; the first that breaks its property ends the search."""
        region, like = problem.region, graph.like
        box, specification = region.box(), problem.specification.to(like.dtype, like.device)
        entries = sum(node.size for node in graph.nodes)
        chunk = max(1, min(256, self.bytes // (2 * entries * like.element_size())))
        index = box.varies.flatten().nonzero().flatten()
        part, seen = places(graph, box.varies.flatten()), set[float]()
        best, least = region.project(box.center.float())[0], torch.inf
        for values in self._points(problem, index, count, generator).split(chunk):
            if stop() or least <= 0:
                break
            x = flat(box.center, 1).repeat(len(values), 1)
            x[:, index] = values
            x = region.project(shaped(x, 1, region.shape).float())
            with torch.no_grad():
                inputs = x.to(like.device, like.dtype)
                if part is not None:
                    new = fresh(part(inputs), seen)
                    x, inputs = x[new.cpu()], inputs[new]
                if not len(x):
                    continue
                y = graph(inputs)
                margin = specification.margin(specification.values(y)).nan_to_num(torch.inf).cpu()
            if float(margin.min()) < least:
                least, best = float(margin.min()), x[margin.argmin()]
        return best

    def _points(self, problem: Problem, index: Tensor, count: int, generator: Generator) -> Tensor:
        """Up to `count` values `(N, k)` of the entries at `index (k,)`: all whole numbers, where these decide and are
        few."""
        box = problem.region.box()
        low, high = box.lower.flatten()[index], box.upper.flatten()[index]
        if (question := stepped(problem)) is not None:
            whole = question.problem.region.box()
            first, last = whole.lower.flatten()[index], whole.upper.flatten()[index]
            if float((last - first + 1).prod()) <= count:
                ranges = [torch.arange(float(a), float(b) + 1) for a, b in zip(first, last, strict=True)]
                grid = torch.cartesian_prod(*ranges).reshape(-1, len(index)).double()
                return grid[torch.randperm(len(grid), generator=generator)]
        if not len(index):
            return low.reshape(1, 0)
        engine = SobolEngine(len(index), scramble=True, seed=int(generator.initial_seed()) % 2**31)
        return low + engine.draw(count, dtype=torch.float64) * (high - low)


def fresh(values: Tensor, seen: set[float]) -> Tensor:
    """The numbers `(M,)` of rows of `values (N, *)` that differ from each other and from those `seen` before."""
    rows = flat(values, 1).double().nan_to_num(-1.0)
    weight = torch.sin(torch.arange(1.0, rows.shape[1] + 1, dtype=torch.float64, device=rows.device) ** 2)
    new = []
    for i, mark in enumerate((rows @ weight).tolist()):
        if mark not in seen:
            seen.add(mark)
            new.append(i)
    return torch.tensor(new, dtype=torch.long, device=values.device)
