"""Two proven intervals of one node always meet. Where they don't, one is wrong, and nothing may rest on either."""

import pytest
import torch

from verifier.bounding.state import State
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.interval import Interval
from verifier.regions import linf


@pytest.mark.parametrize("proof", [True, False])
def test_disjoint_intervals(proof: bool) -> None:
    builder = Builder("x", (2,))
    graph = builder.finish(builder.add(Relu(), builder.input, name="y"), {})
    state = State(graph, linf(torch.zeros(1, 2), 1.0, -1, 1), proof)
    for node in graph.nodes:
        state.enter(node)
    beside = Interval(torch.full((1, 2), 2.0).double(), torch.full((1, 2), 3.0).double())
    if proof:
        with pytest.raises(ArithmeticError, match="y do not meet"):
            state.improve("y", beside)
    else:
        state.improve("y", beside)  # a search may err by its rounding
