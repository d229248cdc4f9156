"""The checker's bands: what they say of rows holds, and is what the search says of them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import entry, recorded, resave, table_of, written
from laws.searches import Own, Puzzle
from laws.strategies import examples
from test_accepted import STRAIGHT, puzzles

from verifier.bounding.methods import Crown
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.certificates.bands import Band, Bands, leaning, multiplied
from verifier.certificates.check import check
from verifier.certificates.numbers import Numbers
from verifier.certificates.operators import Network
from verifier.certificates.table import Table
from verifier.complete.record import question
from verifier.complete.written import noted
from verifier.errors import Rejected
from verifier.graph.build import Builder
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

PRODUCTS = ("product", "square", "multiply", "sigmoid", "sin")
STABLE = tuple(kind for kind in STRAIGHT if kind != "cancel")  # chords over what only rounding makes wide are any


@given(puzzle=puzzles((*STABLE, *PRODUCTS), depth=6))
@examples(60)
def test_intervals_are_those_of_the_search(puzzle: Puzzle) -> None:
    asked, notes = puzzle.problem(), Notes()
    options = Options(proof=True, notes=notes, bands=True)
    found = propagate(asked.model.graph, asked.region, Crown(), asked.specification, options).table
    again = table_of(asked.model.graph, {**question(asked), "proof": noted(notes, list(range(asked.batch)))})
    for name, interval in found.items():
        lower, upper = flat(interval.lower, 1).numpy(), flat(interval.upper, 1).numpy()
        slack = 1e-6 * (1 + abs(lower) + abs(upper) + (upper - lower))
        assert (again.lower[name] >= lower - slack).all(), name
        assert (again.upper[name] <= upper + slack).all(), name


@given(puzzle=puzzles((*STRAIGHT, *PRODUCTS), depth=6))
@examples(60)
def test_rows_hold_at_points(puzzle: Puzzle) -> None:
    """Rows are at least their bound plus what coefficients add away from the end where they are least."""
    asked, numbers = puzzle.problem(), Numbers()
    e = question(asked)
    graph, low, high = asked.model.graph, e["lower"], e["upper"]
    with np.errstate(all="ignore"):
        table = Table(Network(graph, numbers))
        bands = Bands(table, 99)
        for node in graph.nodes:
            table.enter(node, (low, high))
            if node.nonlinear:
                rule, (source,) = table.network.rules[node.name], node.inputs
                least, most = rule.range(table.lower[source], table.upper[source])
                table.lines[node.name] = rule.lines(table.lower[source], table.upper[source], least[0], most[1])
            bands.enter(node)
        bands.squared = True
        bound, slope = bands.bound(e["rows"])
    assert slope is not None
    gen = torch.Generator().manual_seed(0)
    for _ in range(32):
        share = torch.rand(low.shape, generator=gen, dtype=torch.float64).numpy()
        x = low + (high - low) * share
        y = flat(graph(torch.from_numpy(x).reshape(-1, *graph.input.shape)), 1).numpy()
        value = np.einsum("sbm,bm->sb", e["rows"], y)
        rise = (abs(slope) * np.where(slope > 0, x - low, high - x)).sum(-1)
        known = np.isfinite(bound)
        size = 1 + np.einsum("sbm,bm->sb", abs(e["rows"]), abs(y))
        assert (value >= bound + rise - 1e-9 * size)[known].all()


def test_a_file_can_not_ask_for_any_memory(tmp_path: Path) -> None:
    """Bands of 40,000 inputs, each with a symbol, would take 12 GB."""
    builder = Builder("x", (40000,))
    graph = builder.finish(builder.add(Linear(torch.ones(1, 40000, dtype=torch.float64)), builder.input, name="y"), {})
    region = box(torch.zeros(1, 40000), torch.ones(1, 40000))
    asked = Specification(torch.ones(1, 1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64), (0,))
    recorder, proved = recorded(Problem(Model(graph, Own(graph), "test"), region, asked), Crown())
    assert proved == [0]
    certificate, model = written(recorder, tmp_path)
    e = entry(recorder)
    resave([{**e, "proof": {**e["proof"], "bands": 40000}}], certificate, model)
    with pytest.raises(Rejected, match="bands over 40000 inputs"):
        list(check(certificate, model, graph))


@pytest.mark.parametrize("exact", [False, True])
@given(seed=st.integers(0, 10**6), count=st.integers(1, 4))
@examples(40)
def test_a_leaning_function_lies_below(exact: bool, seed: int, count: int) -> None:
    gen = np.random.default_rng(seed)
    j, k = np.triu_indices(count)
    form = np.round(gen.normal(size=(1 + count + len(j), 3)), 1) * gen.integers(0, 2, (1 + count + len(j), 3))
    e = np.concatenate([gen.uniform(-1, 1, (count, 40)), gen.integers(-1, 2, (count, 40)).astype(float)], 1)
    if exact:
        form, e = Numbers(True).array(form), Numbers(True).array(e[:, ::8])
    constant, slope = leaning(form, count)
    symbols = np.concatenate([e, np.where((j == k)[:, None], 2 * e[j] * e[k] - 1, e[j] * e[k])])
    value = form[:1].T + form[1:].T @ symbols
    gap = value - (constant[:, None] + slope.T @ e)
    assert (gap >= (0 if exact else -1e-12)).all()
    plain = form[0] - abs(form[1:]).sum(0)
    assert (constant - abs(slope).sum(0) >= plain - (Fraction(0) if exact else 1e-12)).all()


@given(seed=st.integers(0, 10**6), count=st.integers(1, 3), bent=st.tuples(st.booleans(), st.booleans()))
@examples(60)
def test_products_lie_in_their_bands(seed: int, count: int, bent: tuple[bool, bool]) -> None:
    gen = np.random.default_rng(seed)
    j, k = np.triu_indices(count)
    e = np.concatenate([gen.uniform(-1, 1, (count, 40)), gen.choice([-1.0, 1.0], (count, 40))], 1)
    symbols = np.concatenate([np.ones((1, 80)), e, np.where((j == k)[:, None], 2 * e[j] * e[k] - 1, e[j] * e[k])])

    def drawn(some: bool) -> tuple[Band, np.ndarray]:
        """A band, and something in it for each of the points, as far out as it goes."""
        terms = 1 + count + (len(j) if some else 0)
        middle = np.round(gen.normal(size=(terms, 1, 1)), 1) * gen.integers(0, 2, (terms, 1, 1))
        gap = np.round(gen.normal(size=(1 + count, 1, 1)), 1) * 0.1
        gap[0] = abs(gap[1:]).sum()
        band = Band(middle, gap, np.full((1, 1), gen.choice([0.0, 0.1])))
        far = gap[:, 0, 0] @ symbols[: 1 + count] + band.remainder[0]
        return band, middle[:, 0, 0] @ symbols[:terms] + gen.choice([-1, 1], 80) * far

    (first, x), (second, y) = drawn(bent[0]), drawn(bent[1])
    product = multiplied(first, second, count, Numbers())
    off = abs(x * y - product.middle[:, 0, 0] @ symbols)
    assert (off <= product.remainder[0] + 1e-12).all()
    exact = not any(bent) and not (first.blur.any() or second.blur.any())
    assert not exact or (off < 1e-12).all()
