"""The laws of bounds on random networks, regions and specifications."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from laws.comparison import (
    DOUBLE,
    PROOF,
    SINGLE,
    law_alpha,
    law_dtypes,
    law_exact_where_linear,
    law_intermediate_tighter,
    law_monotone,
    law_proof_close,
    rows,
)
from laws.containment import METHODS, law_containment, law_exact
from laws.invariance import law_batch, law_chunks, law_windows
from laws.nets import AFFINE, STEPS
from laws.strategies import CONTINUOUS, EVERYTHING, STRAIGHT, Recipe, examples, recipes
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.graph.graph import Graph
from verifier.numerics import flat

FEW, SOME, MANY = 10, 25, 60
SIZES = st.sampled_from([0.02, 0.2, 1.0])
UNTIED = tuple(k for k in CONTINUOUS if k != "max")  # of equal rivals rounding may choose either: other slopes
UNSEARCHED: tuple[Method, ...] = tuple(m for m in METHODS if not isinstance(m, AlphaCrown))
WALKS: tuple[Method, ...] = (*(m for m in UNSEARCHED if not isinstance(m, Zonotope)), AlphaCrown(steps=0))
MAPS = ((1, 1, 4, 4), (1, 2, 5, 6), (1, 1, 7, 6))
CONVOLUTIONAL = ("conv", "conv", "conv", "pad", "pad", "residual", "norm", "relu", "double", "branches", "concat")


def named(method: Method) -> str:
    return repr(method)


@pytest.mark.parametrize("method", METHODS, ids=named)
@pytest.mark.parametrize("options", [SINGLE, DOUBLE], ids=["float32", "float64"])
@examples(SOME)
@given(recipe=recipes(CONTINUOUS), size=SIZES)
def test_containment(method: Method, options: Options, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), method, options, recipe.seed)


@pytest.mark.parametrize("method", METHODS, ids=named)
@pytest.mark.parametrize("options", [PROOF, Options(proof=True)], ids=["float64", "float32"])
@examples(SOME)
@given(recipe=recipes(), size=SIZES)
def test_proofs_contain(method: Method, options: Options, recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), method, options, recipe.seed)


@pytest.mark.parametrize("method", METHODS, ids=named)
@examples(FEW)
@given(recipe=recipes((*STRAIGHT, *STEPS), depth=3), size=st.sampled_from([0.0, 1e-9, 0.2]))
def test_proofs_hold_for_rational_arithmetic(method: Method, recipe: Recipe, size: float) -> None:
    law_exact(recipe.case(size), method, Options(proof=True), recipe.seed)


@pytest.mark.parametrize("method", [Ibp(), Crown(), AlphaCrown(steps=1), Zonotope()], ids=named)
@pytest.mark.parametrize("scale", [1e-100, 1e-170, 1e-310])
@examples(FEW // 2)
@given(recipe=recipes(STRAIGHT, depth=3))
def test_proofs_hold_where_products_underflow(method: Method, scale: float, recipe: Recipe) -> None:
    law_exact(replace(recipe, scale=scale).case(), method, Options(proof=True), recipe.seed)


@examples(MANY)
@given(recipe=recipes(CONTINUOUS), size=SIZES, seed=st.integers(0, 99))
def test_intervals_shrink_with_the_region(recipe: Recipe, size: float, seed: int) -> None:
    law_monotone(recipe.case(size), seed)


@examples(MANY)
@given(recipe=recipes(CONTINUOUS), size=SIZES)
def test_walks_tighten_intervals(recipe: Recipe, size: float) -> None:
    law_intermediate_tighter(recipe.case(size))


@examples(MANY)
@given(recipe=recipes(CONTINUOUS), size=SIZES, shared=st.booleans())
def test_optimised_slopes_are_no_worse(recipe: Recipe, size: float, shared: bool) -> None:
    law_alpha(recipe.case(size), shared)


@pytest.mark.parametrize("method", UNSEARCHED, ids=named)
@examples(SOME)
@given(recipe=recipes(UNTIED), size=SIZES)
def test_proofs_are_close(method: Method, recipe: Recipe, size: float) -> None:
    law_proof_close(recipe.case(size), method)


@pytest.mark.parametrize("method", UNSEARCHED, ids=named)
@examples(SOME)
@given(recipe=recipes(UNTIED), size=SIZES)
def test_two_dtypes_agree(method: Method, recipe: Recipe, size: float) -> None:
    law_dtypes(recipe.case(size), method)


@pytest.mark.parametrize("method", METHODS[1:], ids=named)
@examples(SOME)
@given(recipe=recipes(STRAIGHT))
def test_exact_where_all_is_linear(method: Method, recipe: Recipe) -> None:
    assume(law_exact_where_linear(recipe.case(1e-4), method))


@examples(SOME)
@given(recipe=recipes(tuple(AFFINE)))
def test_intervals_are_exact_for_affine_networks(recipe: Recipe) -> None:
    assert law_exact_where_linear(recipe.case(), Ibp())


@pytest.mark.parametrize("method", WALKS, ids=named)
@pytest.mark.parametrize("options", [SINGLE, DOUBLE], ids=["float32", "float64"])
@examples(SOME)
@given(recipe=recipes(UNTIED), size=SIZES, budget=st.sampled_from([1, 3000, 10000]))
def test_pieces_do_not_matter(method: Method, options: Options, recipe: Recipe, size: float, budget: int) -> None:
    law_chunks(recipe.case(size), method, options, budget)


@pytest.mark.parametrize("method", [*WALKS, Zonotope()], ids=named)
@examples(SOME)
@given(recipe=recipes(UNTIED), size=SIZES)
def test_the_rest_of_the_batch_does_not_matter(method: Method, recipe: Recipe, size: float) -> None:
    law_batch(recipe.case(size), method, DOUBLE)


@examples(MANY)
@given(recipe=recipes(CONVOLUTIONAL, shapes=MAPS, depth=5))
def test_windows_equal_whole_rows(recipe: Recipe) -> None:
    law_windows(recipe.case())


@examples(SOME)
@given(recipe=recipes(("double", "cancel", "branches", "relu", "norm", "linear"), shapes=((3,), (5,))))
def test_other_names_for_the_same_methods(recipe: Recipe) -> None:
    """No steps of ascent are CROWN; where nothing is nonlinear all walks are one."""
    case = recipe.case()
    still = AlphaCrown(steps=0, intermediate=False)
    assert torch.allclose(rows(case, still), rows(case, Crown(intermediate=False)), rtol=1e-9, atol=1e-9)


@examples(FEW)
@given(recipe=recipes(EVERYTHING))
def test_graphs_print_and_cut(recipe: Recipe) -> None:
    """A walk of part of a network is the part of a walk."""
    case = recipe.case()
    x = case.region.sample(torch.Generator().manual_seed(0), torch.float64)
    for node in case.graph.nodes[1:]:
        part: Graph = case.graph.until(node.name)
        assert tuple(part(x).shape) == (case.region.batch, *node.shape)
    assert len(str(case.graph).splitlines()) == len(case.graph.nodes)


def test_tighter_on_the_average() -> None:
    """Over many networks: intervals are looser than CROWN-IBP, that than CROWN, and that than optimised slopes."""
    ladder: tuple[Method, ...] = (Ibp(), Crown(intermediate=False), Crown(), AlphaCrown(steps=5))
    gains = torch.zeros(len(ladder) - 1, dtype=torch.float64)
    for seed in range(12):
        layers = ("linear", "relu", "linear", "relu", "linear", "relu")
        recipe = Recipe((5,), layers, seed, 1.0, "linf", 2, (0, 1, 2, 3))
        for network in (recipe, replace(recipe, shape=(1, 1, 4, 4), layers=("conv", "relu", "conv", "relu"))):
            found = torch.stack([rows(network.case(0.3), method) for method in ladder])
            gains += flat((found[1:] - found[:-1]) / found[0].abs().clamp(min=1e-3), 1).mean(1)
    assert bool((gains > 0).all()), gains
