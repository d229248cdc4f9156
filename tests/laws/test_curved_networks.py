"""The laws of bounds on random networks with products, powers, waves, softmax and choices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.comparison import DOUBLE, PROOF, SINGLE, law_alpha, law_intermediate_tighter
from laws.containment import METHODS, law_containment
from laws.nets import CURVED
from laws.strategies import CONTINUOUS, Recipe, examples, recipes
from laws.test_networks import named
from verifier.bounding.methods import Method
from verifier.bounding.options import Options

BENDING = tuple(k for k in CURVED if k != "choice")  # continuous: what rounding changes, it changes by little
SIZES = st.sampled_from([0.02, 0.2, 1.0])
KINDS = (*CURVED, *CURVED, "linear", "relu", "residual", "norm")


@pytest.mark.parametrize("method", METHODS, ids=named)
@pytest.mark.parametrize("options", [SINGLE, DOUBLE], ids=["float32", "float64"])
@examples(12)
@given(recipe=recipes((*BENDING, "linear", "relu", "concat"), depth=4), size=SIZES)
def test_containment(method: Method, options: Options, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), method, options, recipe.seed)


@pytest.mark.parametrize("method", METHODS, ids=named)
@examples(20)
@given(recipe=recipes(KINDS, depth=4), size=SIZES)
def test_proofs_contain(method: Method, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), method, PROOF, recipe.seed)


@examples(20)
@given(recipe=recipes((*BENDING, *CONTINUOUS), depth=4), size=SIZES)
def test_walks_tighten_intervals(recipe: Recipe, size: float) -> None:
    law_intermediate_tighter(recipe.case(size))


@examples(20)
@given(recipe=recipes((*BENDING, "linear", "relu"), depth=4), size=SIZES, shared=st.booleans())
def test_optimised_slopes_are_no_worse(recipe: Recipe, size: float, shared: bool) -> None:
    law_alpha(recipe.case(size), shared)
