"""Boxes that clipping leaves too narrow to be cut are bounded again before they count as open: nothing else stayed open
of ACAS Xu 1_1 property 5, which takes 3 seconds."""

import torch
from laws.searches import Own, work

from verifier.bounding.methods import Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.input_split import InputSplit
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified


def sum_of_two() -> Graph:
    builder = Builder("x", (2,))
    return builder.finish(builder.add(Linear(torch.ones(1, 2).double()), "x", name="y"), {})


def question(graph: Graph, upper: float, offset: float) -> Problem:
    """Is `x + y - 2 + offset` positive for `x` and `y` from 1 to `upper`?"""
    ends = torch.ones(1, 2, dtype=torch.float64), torch.full((1, 2), upper, dtype=torch.float64)
    asked = Specification(ends[0][None, :, :1], torch.full((1, 1), offset - 2.0, dtype=torch.float64), (0,))
    return Problem(Model(graph, Own(graph), "test", ()), box(*ends), asked)


def proved(asked: Problem) -> bool:
    bounds = propagate(
        asked.model.graph, asked.region, Crown(), asked.specification, Options(torch.float64, proof=True)
    )
    return bool((bounds.rows > 0).all())


def test_what_is_proved_at_the_narrow_end_is_proved() -> None:
    """Rounding leaves the whole box a bound that lacks next to nothing; that of the sliver that clipping keeps of it
    lacks nothing."""
    graph, decided = sum_of_two(), 0
    for offset in (k * 1e-15 for k in range(1, 60)):
        whole, sliver = question(graph, 2.0, offset), question(graph, 1.0 + 1e-13, offset - 1e-15)
        if proved(sliver) and not proved(whole):
            assert isinstance(InputSplit()(whole, work(10.0))[0], Verified)
            decided += 1
    assert decided
