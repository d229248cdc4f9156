"""Rows as linear functions of the input, by the usual lines and with zero below every ReLU."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.cases import steep
from laws.comparison import DOUBLE, PROOF, law_forms, rows
from laws.containment import law_containment, law_exact
from laws.strategies import CONTINUOUS, STRAIGHT, Recipe, examples, recipes
from verifier.bounding.methods import Crown
from verifier.graph.ops.activation import Relu

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
    case = recipe.case(size)
    kinked = any(isinstance(node.op, Relu) for node in case.graph.nodes)
    law_forms(case, replace(PROOF, grounded=True), ways=2 if kinked else 1)


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
