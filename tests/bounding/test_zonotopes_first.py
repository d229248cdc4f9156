"""Where a node needs more walks than there are symbols, zonotopes go first, and walks do what is left."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import law_accepted, recorded
from laws.comparison import PROOF, SINGLE
from laws.containment import law_containment
from laws.searches import Own
from laws.strategies import Recipe, examples, recipes

from verifier.bounding import ahead as module
from verifier.bounding.backward import Backward
from verifier.bounding.methods import AlphaCrown, Crown, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds, propagate
from verifier.bounding.zonotope import Zonotopes
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

LAYERS = 4


@pytest.fixture(autouse=True)
def many() -> Iterator[None]:
    with patch.object(module, "MANY", 2):
        yield


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=1)], ids=["crown", "alpha-crown"])
@pytest.mark.parametrize("options", [SINGLE, PROOF], ids=["float32", "proof"])
@examples(20)
@given(recipe=recipes(batch=1), size=st.sampled_from([0.02, 0.2]))
def test_bounds_hold(method: Method, options: Options, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), method, options, recipe.seed)


def narrow() -> Problem:
    """Few inputs and wide layers, whose entries are decided by walks, and not by their arguments' intervals."""
    gen = torch.Generator().manual_seed(1)
    builder = Builder("x", (3,))
    at, before = builder.input, 3
    for i, size in enumerate((40,) * LAYERS + (2,)):
        weight = torch.randn(size, before, generator=gen, dtype=torch.float64) / before**0.5
        bias = torch.randn(size, generator=gen, dtype=torch.float64)
        at, before = builder.add(Linear(weight, bias), at, name=f"sum{i}"), size
        at = builder.add(Relu(), at, name=f"relu{i}") if i < LAYERS else at
    graph = builder.finish(at, {})
    x = torch.full((1, 3), 0.3)
    rows = (
        torch.tensor([[[1.0, -1.0]]], dtype=torch.float64)
        * (graph(x.double())[:, :1] - graph(x.double())[:, 1:]).sign()
    )
    specification = Specification(rows, torch.zeros(1, 1, dtype=torch.float64), (0,))
    return Problem(Model(graph, Own(graph), "test"), box(x - 0.02, x + 0.02), specification)


def counted(asked: Problem, options: Options) -> tuple[Bounds, int, set[str]]:
    """Bounds, how many rows were walked back for them, and the nodes that zonotopes came to."""
    walks, entered = [], set[str]()
    bound, enter = Backward.bound, Zonotopes.enter

    def walk(self, start, rows, both=False, seen=None):  # type: ignore[no-untyped-def]
        found = bound(self, start, rows, both, seen)
        walks.append(len(found))
        return found

    def enters(self, node):  # type: ignore[no-untyped-def]
        entered.add(node.name)
        enter(self, node)

    with patch.object(Backward, "bound", walk), patch.object(Zonotopes, "enter", enters):
        found = propagate(asked.model.graph, asked.region, Crown(), asked.specification, options)
    return found, sum(walks), entered


def test_they_leave_few_walks_and_the_same_bounds() -> None:
    asked, options = narrow(), Options(proof=True)
    first, few, entered = counted(asked, options)
    with patch.object(module, "MANY", 1000):
        usual, walks, none = counted(asked, options)
    assert few < walks / 2
    assert entered == {node.name for node in asked.model.graph.nodes}
    assert not none
    assert first.rows is not None
    assert usual.rows is not None
    assert bool((first.rows >= usual.rows - 0.01 * usual.rows.abs()).all())


def test_they_end_with_the_room_for_symbols() -> None:
    asked = narrow()
    room = 3 * 8 * 40 * 4
    _, _, entered = counted(asked, Options(proof=True, bytes=room))
    assert "sum1" in entered
    assert f"sum{LAYERS}" not in entered
    assert counted(asked, Options(proof=True, bytes=room // 2))[2] == set()


@pytest.mark.parametrize("exact", [False, True])
def test_the_checker_follows(exact: bool, tmp_path: Path) -> None:
    asked = narrow()
    assert law_accepted(asked, Crown(), tmp_path, exact, seconds=60.0) == 1
    recorder, _ = recorded(asked, Crown(), 60.0)
    assert recorder.entries[0]["proof"]["symbols"]
