"""Small networks and problems with known counterexamples."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import Region, box


@dataclass(frozen=True)
class Own:
    """The graph itself as evaluator, in float64; `change` makes it another network."""

    graph: Graph
    change: Callable[[Tensor], Tensor] = lambda y: y
    name: str = "own"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.change(self.graph(torch.from_numpy(x).double())).numpy())


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def dense(*layers: Op | tuple[list[list[float]], list[float]], size: int) -> Graph:
    """Ops in a row; a pair is a linear layer's weight and bias."""
    builder = Builder("x", (size,))
    last = builder.input
    for layer in layers:
        op = layer if isinstance(layer, Op) else Linear(tensor(layer[0]), tensor(layer[1]))
        last = builder.add(op, last, name=type(op).__name__)
    return builder.finish(last, {})


def random_net(seed: int, sizes: tuple[int, ...], activation: Op) -> Graph:
    generator = torch.Generator().manual_seed(seed)
    builder = Builder("x", (sizes[0],))
    last = builder.input
    for i, (n, m) in enumerate(pairwise(sizes)):
        weight = torch.randn(m, n, generator=generator, dtype=torch.float64) / n**0.5
        bias = torch.randn(m, generator=generator, dtype=torch.float64) / 4
        last = builder.add(Linear(weight, bias), last, name=f"fc{i}")
        if i < len(sizes) - 2:
            last = builder.add(activation, last, name=f"act{i}")
    return builder.finish(last, {})


def problem(
    graph: Graph, region: Region, rows: Tensor, clause: tuple[int, ...], offset: Tensor | None = None
) -> Problem:
    """`rows (S, out)` for every input."""
    rows = rows.double().unsqueeze(1).expand(len(rows), region.batch, *rows.shape[1:])
    offset = torch.zeros(len(rows), dtype=torch.float64) if offset is None else offset.double()
    specification = Specification(rows, offset.unsqueeze(1).expand(len(rows), region.batch), clause)
    return Problem(Model(graph, Own(graph), "test"), region, specification)


def identity_problem(batch: int = 1) -> Problem:
    """Two inputs are the outputs; `y0 - y1 > 0` must hold over the unit box."""
    graph = dense(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), size=2)
    return problem(graph, box(torch.zeros(batch, 2), torch.ones(batch, 2)), tensor([[1.0, -1.0]]), (0,))
