"""What certificates are made of that must be rejected once they lie, and the searches that prove it."""

from typing import Any

import numpy as np
import torch
from laws.searches import Own
from torch import Tensor

from verifier.bounding.methods import AlphaCrown
from verifier.complete.bab import Bab
from verifier.complete.input_split import InputSplit
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

BAB = Bab(root=AlphaCrown(steps=2), first=4, steps=4, batch=8)
CUTS = InputSplit(batch=16)
REFINING = Bab(root=AlphaCrown(steps=2), first=4, steps=2, batch=8)
MARGIN = 0.5  # of a question that refining helps to prove
BROKEN = 0.2  # by how much its rows fail somewhere


def asked(margin: float) -> Problem:
    """Three inputs, two layers of ReLU, two rows in a clause and one on its own; `margin` above the least sampled."""
    gen = torch.Generator().manual_seed(5)

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=gen, dtype=torch.float64)

    builder = Builder("x", (3,))
    at = builder.input
    for i, (out, size) in enumerate(((8, 3), (8, 8), (3, 8))):
        at = builder.add(Linear(weight(out, size), 0.3 * weight(out)), at, name=f"dense{i}")
        at = builder.add(Relu(), at, name=f"relu{i}") if i < 2 else at
    graph = builder.finish(at, {})
    region = box(torch.full((1, 3), -0.6), torch.full((1, 3), 0.6))
    rows = torch.stack([weight(1, 3) for _ in range(3)])
    spec = Specification(rows, torch.zeros(3, 1, dtype=torch.float64), (0, 0, 1))
    x = torch.rand(20000, 3, generator=gen, dtype=torch.float64) * 1.2 - 0.6
    values = (graph(x) @ rows[:, 0].T).T
    low = torch.stack([values[:2].amax(0).amin(), values[:2].amax(0).amin(), values[2].amin()])
    spec = Specification(rows, (margin - low).unsqueeze(1), (0, 0, 1))
    return Problem(Model(graph, Own(graph), "test"), region, spec)


def arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value] if value.dtype != bool else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [array for part in parts for array in arrays(part)]
