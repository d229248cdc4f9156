"""Rows as linear functions of the input, by the usual lines and with zero below every ReLU."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laws.cases import steep
from laws.comparison import DOUBLE, PROOF, bound, rows
from laws.containment import law_containment, law_exact, reach
from laws.strategies import CONTINUOUS, STRAIGHT, Recipe, examples, recipes
from verifier.bounding.methods import Crown
from verifier.graph.ops.activation import Relu
from verifier.numerics import flat

GROUNDED = replace(DOUBLE, grounded=True)
SIZES = st.sampled_from([0.02, 0.2, 1.0])
KINDS = ("relu", "relu", "linear", *CONTINUOUS)


@examples(60)
@given(recipe=recipes(KINDS), size=SIZES)
def test_proofs_contain(recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), Crown(), replace(PROOF, grounded=True), recipe.seed)


@examples(40)
@given(recipe=recipes(KINDS), size=SIZES)
def test_no_looser_than_the_usual_lines(recipe: Recipe, size: float) -> None:
    case = recipe.case(size)
    assert bool((rows(case, Crown(), GROUNDED) >= rows(case, Crown())).all())


@examples(60)
@given(recipe=recipes(KINDS, regions=("box",)), size=SIZES)
def test_forms_lie_below(recipe: Recipe, size: float) -> None:
    """A row is at least its base, and more the farther an input is from the end where the row is least."""
    case = recipe.case(size)
    found = bound(case, Crown(), replace(PROOF, grounded=True))
    assert found.form is not None
    slope, ends = flat(found.form.coefficient, 2), case.region.box()
    ways = 2 if any(isinstance(node.op, Relu) for node in case.graph.nodes) else 1
    assert found.form.base.shape == (ways * len(case.specification.rows), case.region.batch)
    for seed in range(8):
        x = case.region.sample(torch.Generator().manual_seed(seed), torch.float64)
        values = case.specification.values(case.graph(x)).repeat(ways, 1)
        below, above = flat(x - ends.lower, 1), flat(ends.upper - x, 1)
        least = found.form.base + (slope.abs() * torch.where(slope > 0, below, above)).sum(2)
        assert bool((least <= values + 1e-9 * reach(found) * (1 + values.abs())).all())


def test_zero_below_closes_what_the_usual_line_leaves() -> None:
    usual, grounded = (float(rows(steep(), Crown(), options)) for options in (DOUBLE, GROUNDED))
    assert usual == pytest.approx(-0.8)
    assert grounded == pytest.approx(0.1)


@examples(25)
@given(recipe=recipes(("relu", *STRAIGHT), depth=3), size=st.sampled_from([0.0, 1e-9, 0.2]))
def test_proofs_hold_for_rational_arithmetic(recipe: Recipe, size: float) -> None:
    law_exact(recipe.case(size), Crown(), replace(PROOF, grounded=True), recipe.seed)


@pytest.mark.parametrize("scale", [1e-100, 1e-310])
@examples(10)
@given(recipe=recipes(("relu", *STRAIGHT), depth=3))
def test_proofs_hold_where_products_underflow(scale: float, recipe: Recipe) -> None:
    law_exact(replace(recipe, scale=scale).case(), Crown(), replace(PROOF, grounded=True), recipe.seed)
