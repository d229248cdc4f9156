"""What a search over activations believes of a domain, and what it can prove, are about the same."""

import torch
from laws.searches import Own

from verifier.bounding.methods import Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.domains import roots
from verifier.complete.relaxed import Relaxed
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

COUNT = 12


def at_the_edge() -> Problem:
    """`sum(relu(x)) - sum(relu(2x - 1)) > -1/4` for x in [0, 1]: each term is `min(x, 1 - x)`, and the first ReLUs have
    intervals that end at zero, in a proof a hair beyond it."""
    eye, builder = torch.eye(COUNT, dtype=torch.float64), Builder("x", (COUNT,))
    weight, bias = torch.cat([eye, 2 * eye]), torch.cat([torch.zeros(COUNT), -torch.ones(COUNT)]).double()
    hidden = builder.add(Relu(), builder.add(Linear(weight, bias), "x", name="z"), name="relu")
    sums = torch.cat([torch.ones(1, COUNT), -torch.ones(1, COUNT)], 1).double()
    graph = builder.finish(builder.add(Linear(sums), hidden, name="y"), {})
    rows, offset = torch.ones(1, 1, 1, dtype=torch.float64), torch.full((1, 1), 0.25, dtype=torch.float64)
    region = box(torch.zeros(1, COUNT), torch.ones(1, COUNT))
    return Problem(Model(graph, Own(graph), "edge", ()), region, Specification(rows, offset, (0,)))


def test_the_root_is_proved_as_it_is_bounded() -> None:
    asked = at_the_edge()
    table = propagate(asked.model.graph, asked.region, Crown(), asked.specification, Options(proof=True)).table
    relaxed = Relaxed(asked, table, torch.float32, None)
    root = roots(torch.zeros(1, dtype=torch.long), torch.ones(1, 1), relaxed.start)
    assert float(relaxed.view(root).bound) > 0.2
    assert float(relaxed.linear(root)[0]) > 0.2
