"""Numbers at the ends of float64: sums that overflow and products that underflow must not make a bound false."""

import pytest
import torch
from torch import Tensor

from verifier.bounds.methods import Crown
from verifier.bounds.propagate import Options, propagate
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.regions import box

PROOF = Options(proof=True)


def real(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def chain(size: int, *ops: Op) -> Graph:
    builder = Builder("x", (size,))
    at = builder.input
    for op in ops:
        at = builder.add(op, at, name=op.label.lower())
    return builder.finish(at, {})


@pytest.mark.parametrize("places", [(30, 16, 47, 60), (30, 38, 13, 50)])
def test_a_sum_that_overflowed_is_no_bound(places: tuple[int, int, int, int]) -> None:
    """`12 * (a + a - a - a)` is zero, but partial sums of the merged layers are infinite; CROWN said 6e294, exactly."""
    weight = torch.zeros(1, 64, dtype=torch.float64)
    weight[0, list(places)] = real(1e307, 1e307, -1e307, -1e307)
    graph = chain(64, Linear(weight), Linear(real([12.0])), Relu())
    point = torch.ones(1, 64, dtype=torch.float64)
    table = propagate(graph, box(point, point), Crown(), None, PROOF).table
    for name in ("linear#1", "relu"):
        assert bool((table[name].lower <= 0).all()), "every node is exactly zero"
        assert bool((table[name].upper >= 0).all()), "every node is exactly zero"
