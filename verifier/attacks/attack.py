"""What every attack shares: it proposes, and this base class decides.

A proposal counts only if it lies in the region with no tolerance and another engine (ONNX Runtime, the original module)
finds the property broken there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from verifier.graph.graph import Graph
from verifier.problem import Problem
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
    inside = region.contains(x)
    answers: list[Falsified | None] = [None] * problem.batch
    index = inside.nonzero().flatten()
    if not len(index):
        return answers
    outputs = np.asarray(problem.model.evaluator(x[index].numpy()))
    y = torch.from_numpy(outputs).double().reshape(len(index), *problem.model.graph.output_shape)
    chosen = specification.select(index)
    margins = chosen.margin(chosen.values(y))
    for k, i in enumerate(index.tolist()):
        if bool(margins[k] <= 0) and bool(y[k].isfinite().all()):
            witness, output = x[i].numpy().copy(), outputs[k].copy()
            answers[i] = Falsified(witness, output, float(margins[k]), method, problem.model.evaluator.name)
    return answers
