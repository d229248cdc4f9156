"""Forward bounds with a line on each side hold whatever the slopes; where that is said, they are those of a walk."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laws.comparison import DOUBLE, PROOF, SINGLE
from laws.containment import law_containment, law_exact
from laws.strategies import CONTINUOUS, STRAIGHT, Recipe, examples, recipes
from laws.test_curved_networks import KINDS
from verifier.bounding import bands
from verifier.bounding.methods import Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate

SIZES = st.sampled_from([0.02, 0.2, 1.0])


@pytest.mark.parametrize("options", [SINGLE, DOUBLE, PROOF], ids=["float32", "float64", "proof"])
@examples(60)
@given(recipe=recipes(CONTINUOUS), size=SIZES)
def test_containment(options: Options, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), Crown(), replace(options, bands=True), recipe.seed)


@examples(60)
@given(recipe=recipes(KINDS, depth=4), size=SIZES)
def test_curves_are_contained(recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), Crown(), replace(PROOF, bands=True), recipe.seed)


@examples(40)
@given(recipe=recipes(STRAIGHT, depth=3), size=st.sampled_from([0.0, 1e-9, 0.2]))
def test_proofs_hold_for_rational_arithmetic(recipe: Recipe, size: float) -> None:
    law_exact(recipe.case(size), Crown(), Options(proof=True, bands=True), recipe.seed)


@pytest.mark.parametrize("scale", [1e-100, 1e-170, 1e-310])
@examples(10)
@given(recipe=recipes(STRAIGHT, depth=3))
def test_proofs_hold_where_products_underflow(scale: float, recipe: Recipe) -> None:
    law_exact(replace(recipe, scale=scale).case(), Crown(), Options(proof=True, bands=True), recipe.seed)


@examples(40)
@given(recipe=recipes(("relu",), depth=1), size=SIZES)
def test_a_walk_adds_nothing_to_sums_over_a_first_nonlinearity(recipe: Recipe, size: float) -> None:
    case = replace(recipe, region="box", layers=("linear", "relu", "linear", "relu")).case(size)
    forward, walked = (
        propagate(case.graph, case.region, Crown(), case.specification, replace(DOUBLE, bands=on))
        for on in (True, False)
    )
    for name, interval in walked.table.items():
        slack = 1e-9 * (1 + interval.magnitude)
        assert bool((forward.table[name].lower >= interval.lower - slack).all()), name
        assert bool((forward.table[name].upper <= interval.upper + slack).all()), name


@pytest.mark.parametrize("broken", ["gap", "remainder"])
def test_the_laws_notice(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Without the gap, or with a remainder of none, some value leaves its interval."""
    original = bands.Bands._nonlinear

    def wrong(self: bands.Bands, node):  # type: ignore[no-untyped-def]
        band = original(self, node)
        if broken == "gap":
            return replace(band, gap=torch.zeros_like(band.middle))
        return replace(band, remainder=-1e-3 * (1 + band.size))

    monkeypatch.setattr(bands.Bands, "_nonlinear", wrong)
    recipe = Recipe((4,), ("linear", "relu", "linear"), 0, 1.0, "box", 2, (0, 1))
    with pytest.raises((AssertionError, ArithmeticError)):
        law_containment(recipe.case(1.0), Crown(), replace(PROOF, bands=True), recipe.seed, 64)
