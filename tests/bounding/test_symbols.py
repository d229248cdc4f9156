"""Inputs with symbols of their own: each region's, whatever varies in others."""

import numpy as np
import torch
from laws.searches import Puzzle
from torch import Tensor

from verifier.bounding.methods import Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.bounding.symbols import spread, symbols
from verifier.certificates.numbers import Numbers
from verifier.certificates.operators import Network
from verifier.certificates.table import Forwards, Table
from verifier.certificates.zonotope import Zonotopes
from verifier.graph.build import Builder
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.regions import Box
from verifier.regions.box import Inner

PROOF = Options(torch.float64, proof=True)


def around(center: float, *radius: list[float]) -> Interval:
    r = torch.tensor(radius, dtype=torch.float64)
    return Interval(center - r, center + r)


def index(box: Interval, most: int = 99) -> list[list[int]]:
    return symbols(box, most).T.tolist()


def test_those_that_vary_most() -> None:
    assert index(around(1.0, [0.1, 0.0, 0.3], [0.0, 0.2, 0.5])) == [[0, 2], [1, 2]]
    assert index(around(1.0, [0.1, 0.0, 0.3], [0.0, 0.2, 0.5]), most=1) == [[2], [2]]


def test_the_widest_come_first() -> None:
    """Not those that vary most for their size: a dark pixel is no wider than a bright one."""
    box = Interval(torch.tensor([[0.0, 0.8]]).double(), torch.tensor([[0.03, 0.86]]).double())
    assert index(box, most=1) == [[1]]


def test_what_hardly_varies_has_none() -> None:
    assert index(around(1.0, [0.1, 1e-8, 0.0])) == [[0]]


def test_small_boxes_have_symbols() -> None:
    """Cut often enough, all inputs vary by less than a float32 is rounded."""
    assert index(around(1.0, [1e-9, 3e-9, 1e-12])) == [[0, 1]]


def test_inputs_of_different_sizes() -> None:
    box = Interval(torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[1e9, 1e-3]]).double())
    assert sorted(index(box)[0]) == [0, 1]


def test_points_have_none() -> None:
    assert symbols(around(2.0, [0.0, 0.0]), 9).shape == (0, 1)


def test_every_radius_has_its_place() -> None:
    radius = torch.rand(4, 6, dtype=torch.float64)
    generators, rest = spread(radius, symbols(Interval(-radius, radius), 4))
    assert torch.equal(generators.sum(0) + rest, radius)
    assert bool(((generators != 0).sum(2) == 1).all())


def different(count: int, shape: tuple[int, ...], center: Tensor) -> Interval:
    """Boxes around one point; in each two other inputs vary."""
    radius = torch.zeros(count, center.numel(), dtype=torch.float64)
    for i in range(count):
        radius[i, [i, i + 1]] = torch.tensor([0.2, 0.1]).double()
    return Interval(center - radius.reshape(-1, *shape), center + radius.reshape(-1, *shape))


def test_company_does_not_matter() -> None:
    """Two symbols are enough for boxes in which two inputs vary, though nine vary somewhere."""
    asked = Puzzle((9,), ("linear", "relu", "linear", "relu", "linear"), 3, 1.0, "point", 0.1, (0,), (False,), 0.1)
    graph = asked.case().graph
    box = different(8, (9,), torch.linspace(-1, 1, 9).double())
    region = Box(box, Inner(box.lower, box.upper))
    together = propagate(graph, region, Zonotope(symbols=2), None, PROOF).table[graph.output]
    for i in range(8):
        alone = propagate(graph, region.select(torch.tensor([i])), Zonotope(symbols=2), None, PROOF).table
        assert torch.allclose(together[i : i + 1].lower, alone[graph.output].lower, rtol=1e-12)
        assert torch.allclose(together[i : i + 1].upper, alone[graph.output].upper, rtol=1e-12)


def test_the_checker_chooses_the_same() -> None:
    builder = Builder("x", (9,))
    graph = builder.finish("x", {})
    box = different(8, (9,), torch.linspace(-1, 1, 9).double())
    table = Table(Network(graph, Numbers()))
    table.enter(graph.input, (flat(box.lower, 1).numpy(), flat(box.upper, 1).numpy()))
    forwards: Forwards = Zonotopes(table, {"x": 2})
    center, generators, rest, found = forwards.spread(graph.input, 2)
    assert np.array_equal(found, symbols(box, 2).numpy())
    reach = abs(center) + abs(generators).sum(0) + rest
    assert (reach >= abs(box.upper.numpy())).all()
    assert (rest == 0).all()
