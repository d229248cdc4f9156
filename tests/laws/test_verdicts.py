"""Specifications mean what they say, and proofs have no counterexamples."""

import pytest
from hypothesis import given

from laws.containment import METHODS
from laws.strategies import EVERYTHING, Recipe, examples, recipes
from laws.test_networks import FEW, SIZES, SOME, named
from laws.verdicts import law_meaning, law_no_counterexample
from verifier.bounding.methods import Crown, Method
from verifier.bounding.options import Options


@examples(SOME)
@given(recipe=recipes(EVERYTHING), size=SIZES)
def test_margins_mean_the_property(recipe: Recipe, size: float) -> None:
    law_meaning(recipe.case(size))


@pytest.mark.parametrize("method", METHODS, ids=named)
@examples(FEW)
@given(recipe=recipes(EVERYTHING))
def test_proofs_have_no_counterexample(method: Method, recipe: Recipe) -> None:
    law_no_counterexample(recipe.case(0.05), method, Options(proof=True))


def test_something_is_proved() -> None:
    """The law above is not about nothing."""
    found = 0
    for seed in range(10):
        recipe = Recipe((4,), ("linear", "relu", "linear"), seed, 1.0, "linf", 4, (0, 0, 0, 0))
        found += law_no_counterexample(recipe.case(0.02), Crown(), Options(proof=True))
    assert found >= 5
