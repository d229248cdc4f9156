"""ReLUs that are only pressed down need no binary, and the minimum is the same."""

from dataclasses import replace

import numpy as np
import torch
from complete_cases import encoded
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case
from laws.strategies import examples

from verifier.complete.exact.highs import Highs
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.properties import Specification
from verifier.regions import box

HIDDEN = 6
FAR = 100.0  # the solver stops at the first negative point


def network(seed: int, deep: bool) -> Case:
    """Two outputs; ReLUs of both signs."""
    generator, builder, name, size = torch.Generator().manual_seed(seed), Builder("x", (3,)), "x", 3
    for layer in range(1 + deep):
        weight = torch.randn(HIDDEN, size, generator=generator).double()
        name = builder.add(Relu(), builder.add(Linear(weight), name, name=f"z{layer}"), name=f"relu{layer}")
        size = HIDDEN
    last = torch.randn(2, HIDDEN, generator=generator).double()
    last[:, : HIDDEN // 2] = last[:, : HIDDEN // 2].abs()  # these are pressed down by both rows
    graph = builder.finish(builder.add(Linear(last), name, name="y"), {})
    rows, offset = torch.eye(2).double().unsqueeze(1), torch.zeros(2, 1, dtype=torch.float64)
    return Case(graph, box(-torch.ones(1, 3), torch.ones(1, 3)), Specification(rows, offset, (0, 0)))


@examples(20)
@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_the_minimum_stays(seed: int, deep: bool, both: bool) -> None:
    case = network(seed, deep)
    encoder = encoded(case)
    program = encoder.minimum(np.concatenate([np.full((2, 1), FAR), np.eye(2)], axis=1)[: 1 + both])
    every = program.integer.copy()
    for kink in encoder.kinks:
        every[kink.binary] = True
    fewer, full = Highs()(program, 60), Highs()(replace(program, integer=every), 60)
    assert program.integer.sum() < every.sum()
    assert abs(fewer.bound - full.bound) < 1e-4
