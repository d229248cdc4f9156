"""Programs hold a product between its planes: it reads two entries for each of its own."""

import time

import torch
from laws.searches import Own

from verifier.complete.exact.search import Lp
from verifier.complete.search import Work
from verifier.graph.build import Builder
from verifier.graph.ops.dense import Linear
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Stack
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verified


def test_a_product_between_planes() -> None:
    """`a * b` over [-1, 1] x [1, 2] is at least -2: proved with 2.1 added, and never with 1.9."""
    builder = Builder("x", (2,))
    first, second = (
        builder.add(Linear(torch.eye(2, dtype=torch.float64)[i : i + 1]), builder.input, name=f"part{i}")
        for i in (0, 1)
    )
    graph = builder.finish(builder.add(Product(), builder.add(Stack(), first, second, name="both"), name="product"), {})
    region = box(torch.tensor([[-1.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    rows = torch.ones(1, 1, 1, dtype=torch.float64)
    for offset, proved in ((2.1, True), (1.9, False)):
        asked = Specification(rows, torch.full((1, 1), offset, dtype=torch.float64), (0,))
        problem = Problem(Model(graph, Own(graph), "test"), region, asked)
        verdict = Lp()(problem, Work(time.monotonic() + 30))[0]
        assert isinstance(verdict, Verified) == proved
