"""The checker's zonotopes: as tight as those of the search, whatever the budget, and no more memory than it allows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import accepted, easy, entry, law_rejected, law_true, recorded, resave, table_of, written
from laws.searches import Own, Puzzle
from laws.strategies import examples
from test_accepted import MOVED, SMOOTH, STRAIGHT, puzzles

from verifier.bounding.methods import Zonotope
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.certificates.check import check
from verifier.complete.input_split import InputSplit
from verifier.complete.record import question
from verifier.complete.written import noted
from verifier.errors import InputError
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu, Sigmoid
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box


@given(
    puzzle=puzzles((*STRAIGHT, *MOVED, *SMOOTH, "prelu"), batch=1),
    symbols=st.sampled_from((1, 4, 2048)),
)
@examples(60)
def test_intervals_are_those_of_the_search(puzzle: Puzzle, symbols: int) -> None:
    asked = easy(puzzle.problem())
    recorder, proved = recorded(asked, Zonotope(symbols))
    assert proved
    found = propagate(asked.model.graph, asked.region, Zonotope(symbols), None, Options(proof=True)).table
    again = table_of(asked.model.graph, entry(recorder))
    for name, interval in found.items():
        lower, upper = flat(interval.lower, 1).numpy(), flat(interval.upper, 1).numpy()
        slack = 1e-6 * (1 + abs(lower) + abs(upper) + (upper - lower))
        assert (again.lower[name] >= lower - slack).all(), name
        assert (again.upper[name] <= upper + slack).all(), name


def cancelling() -> Problem:
    """`0.4 - relu(relu(x + 1) - relu(x + 1))`: two entries are the same, which only symbols know."""
    one = torch.ones(2, 1, dtype=torch.float64)
    builder = Builder("x", (1,))
    at = builder.add(Linear(one, one[:, 0]), builder.input, name="a")
    at = builder.add(Linear(torch.tensor([[1.0, -1.0]]).double()), builder.add(Relu(), at, name="b"), name="c")
    graph = builder.finish(builder.add(Relu(), at, name="d"), {})
    offset = torch.full((1, 1), 0.4, dtype=torch.float64)
    specification = Specification(-torch.ones(1, 1, 1, dtype=torch.float64), offset, (0,))
    region = box(torch.zeros(1, 1), torch.ones(1, 1))
    return Problem(Model(graph, Own(graph), "test"), region, specification)


def test_what_is_bounded_in_halves_is_noted_as_a_whole() -> None:
    """Where zonotopes of all boxes don't fit into memory together, slopes of the last half were all that was noted, and
    a certificate of cGAN could not be written."""
    asked, notes = smooth(5), Notes()
    every = propagate(asked.model.graph, asked.region, Zonotope(), asked.specification, Options(proof=True))
    small = Options(proof=True, notes=notes, bytes=3 * 8 * 6 * 17)  # of one
    parts = propagate(asked.model.graph, asked.region, Zonotope(), asked.specification, small)
    assert every.rows is not None
    assert parts.rows == pytest.approx(every.rows)
    assert notes.standard["b"].lower.shape == notes.standard["b"].upper.shape == (5, 6)
    again = table_of(asked.model.graph, {**question(asked), "proof": noted(notes, list(range(5)))})
    assert again.lower["c"] == pytest.approx(flat(parts.table["c"].lower, 1).numpy(), abs=1e-9)


def smooth(batch: int) -> Problem:
    """Boxes around several points, and a network that bends."""
    gen = torch.Generator().manual_seed(2)
    builder = Builder("x", (3,))
    weights = [torch.randn(*shape, generator=gen, dtype=torch.float64) for shape in ((6, 3), (2, 6))]
    at = builder.add(Sigmoid(), builder.add(Linear(weights[0]), builder.input, name="a"), name="b")
    graph = builder.finish(builder.add(Linear(weights[1]), at, name="c"), {})
    x = torch.rand(batch, 3, generator=gen)
    specification = Specification(torch.ones(1, batch, 2).double(), torch.zeros(1, batch).double(), (0,))
    return Problem(Model(graph, Own(graph), "test"), box(x - 0.1, x + 0.1), specification)


def few(e: dict[str, Any]) -> None:
    """No symbol at all: intervals only."""
    e["proof"]["symbols"] = dict.fromkeys(e["proof"]["symbols"], 0)


def none(e: dict[str, Any]) -> None:
    e["proof"]["symbols"] = {}


@pytest.mark.parametrize("lie", [few, none])
def test_without_its_symbols_a_proof_is_none(lie: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    asked = cancelling()
    recorder, proved = recorded(asked, InputSplit(bound=Zonotope()))
    assert proved == [0]
    law_true(accepted(recorder, asked.model.graph, tmp_path))
    law_rejected(asked.model.graph, recorder, lie, tmp_path)


@pytest.mark.parametrize("symbols", [{"a": 4}, {"nowhere": 1}])
def test_symbols_begin_at_the_input(symbols: dict[str, int], tmp_path: Path) -> None:
    asked = cancelling()
    recorder, _ = recorded(asked, Zonotope())
    certificate, model = written(recorder, tmp_path)
    e = entry(recorder)
    resave([{**e, "proof": {**e["proof"], "symbols": symbols}}], certificate, model)
    with pytest.raises(InputError, match="zonotopes do not come to"):
        list(check(certificate, model, asked.model.graph))
