"""No search proves of the deployed network what it only knows of the reals."""

import time

import pytest
import torch
from laws.searches import Own

from verifier.complete.search import Search, Work
from verifier.graph.build import Builder
from verifier.graph.ops.dense import Shift
from verifier.model import Model
from verifier.plan import plan
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified


@pytest.mark.parametrize("name", ["auto", "bab", "input-split", "milp", "lp", "sdp", "lipschitz"])
def test_a_sum_that_float32_loses_is_not_proved(name: str) -> None:
    """`(x + 1e8) - 1e8 > 0.5` for x in [1, 2] over the reals; in float32 the sum is 1e8 and the difference 0."""
    builder = Builder("x", (1,))
    there = builder.add(Shift(torch.tensor([1e8], dtype=torch.float64)), builder.input, name="there")
    back = builder.add(Shift(torch.tensor([-1e8], dtype=torch.float64)), there, name="back")
    graph = builder.finish(back, {})
    rows, offset = torch.ones(1, 1, 1, dtype=torch.float64), torch.full((1, 1), -0.5, dtype=torch.float64)
    region = box(torch.ones(1, 1), torch.full((1, 1), 2.0))
    problem = Problem(Model(graph, Own(graph), "test"), region, Specification(rows, offset, (0,)))
    search = plan(name)[-1]
    assert isinstance(search, Search)
    for deployed, proved in ((None, True), (torch.float32, False)):
        work = Work(time.monotonic() + 5, deployed=deployed)
        assert isinstance(search(problem, work)[0], Verified) == proved
