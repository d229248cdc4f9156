"""Products of the same symbols cancel, and what is linear below them is below them."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laws.cases import Case
from laws.comparison import PROOF, law_forms, rows
from laws.containment import law_containment, law_exact
from laws.strategies import Recipe, examples, recipes
from verifier.bounding import monomials
from verifier.bounding.methods import Crown
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.dense import Linear, Sum
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Stack
from verifier.graph.ops.smooth import Power
from verifier.properties import Specification
from verifier.regions import box

BANDS = replace(PROOF, bands=True)
SIZES = st.sampled_from([0.02, 0.2, 1.0])
KINDS = ("product", "product", "square", "linear", "relu", "concat")
SHAPES = ((2,), (3,), (1, 3))
INPUTS = 3


@examples(60)
@given(recipe=recipes((*KINDS, "sin", "residual"), shapes=SHAPES, depth=5), size=SIZES)
def test_proofs_contain(recipe: Recipe, size: float) -> None:
    law_containment(recipe.case(size), Crown(), BANDS, recipe.seed)


@examples(40)
@given(recipe=recipes(KINDS, shapes=SHAPES, depth=4), size=st.sampled_from([0.0, 1e-9, 0.2]))
def test_proofs_hold_for_rational_arithmetic(recipe: Recipe, size: float) -> None:
    law_exact(recipe.case(size), Crown(), BANDS, recipe.seed)


@pytest.mark.parametrize("scale", [1e-100, 1e-170])
@examples(10)
@given(recipe=recipes(KINDS, shapes=SHAPES, depth=3))
def test_proofs_hold_where_products_underflow(scale: float, recipe: Recipe) -> None:
    law_exact(replace(recipe, scale=scale).case(), Crown(), BANDS, recipe.seed)


@examples(40)
@given(recipe=recipes(("linear", "product", "linear"), regions=("box",), shapes=SHAPES, depth=3), size=SIZES)
def test_forms_lie_below(recipe: Recipe, size: float) -> None:
    law_forms(replace(recipe, layers=("product", *recipe.layers)).case(size), BANDS, ways=2)


def form(graph: Graph, offset: float) -> Case:
    """Is the output above `-offset` for inputs in [-1, 1]?"""
    asked = Specification(torch.ones(1, 1, 1).double(), torch.full((1, 1), offset, dtype=torch.float64), (0,))
    return Case(graph, box(-torch.ones(1, INPUTS), torch.ones(1, INPUTS)), asked)


def quadratic(left: torch.Tensor, right: torch.Tensor, squares: torch.Tensor) -> Graph:
    """The sum over `(left x) * (right x) + squares * x^2`."""
    builder = Builder("x", (INPUTS,))
    factors = builder.add(Linear(left), "x", name="left"), builder.add(Linear(right), "x", name="right")
    both = builder.add(Product(), builder.add(Stack(), *factors, name="both"), name="product")
    mixed = builder.add(Linear(torch.ones(1, len(left), dtype=torch.float64)), both, name="mixed")
    own = builder.add(Linear(squares.unsqueeze(0)), builder.add(Power(2.0), "x", name="square"), name="own")
    return builder.finish(builder.add(Sum((1, 1)), mixed, own, name="y"), {})


def test_what_cancels_is_gone() -> None:
    """`(x + y)(x - y) + y^2 - x^2`, of which each product alone reaches beyond 1."""
    plus, minus, own = torch.tensor([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]).double()
    case = form(quadratic(plus.unsqueeze(0), minus.unsqueeze(0), own), 0.0)
    assert float(rows(case, Crown(), BANDS)) > -1e-9
    assert float(rows(case, Crown(), PROOF)) < -1


@examples(40)
@given(seed=st.integers(0, 10**6), lean=st.sampled_from([0.0, 0.3, 1.0, 100.0]))
def test_leaning_forms_are_below(seed: int, lean: float) -> None:
    """At every corner, the centre and points between; and where the linear part decides, nothing is lost."""
    generator = torch.Generator().manual_seed(seed)
    j, k = torch.triu_indices(INPUTS, INPUTS)
    whole = torch.randn(1 + INPUTS + len(j), generator=generator, dtype=torch.float64)
    whole[1 : 1 + INPUTS] *= lean
    corners = torch.tensor(list(product((-1.0, 1.0), repeat=INPUTS)), dtype=torch.float64)
    inside = 2 * torch.rand(200, INPUTS, generator=generator, dtype=torch.float64) - 1
    points = torch.cat([corners, torch.zeros(1, INPUTS, dtype=torch.float64), inside])
    symbols = points[:, j] * points[:, k]
    symbols[:, j == k] = 2 * symbols[:, j == k] - 1
    values = whole[0] + points @ whole[1 : 1 + INPUTS] + symbols @ whole[1 + INPUTS :]
    constant, slope = monomials.leaning(whole, INPUTS)
    assert bool((constant + points @ slope <= values + 1e-12 * whole.abs().sum()).all())
    known = whole[0] - whole[1:].abs().sum()
    assert float(constant - slope.abs().sum()) >= float(known) - 1e-12
    if bool((whole[1 : 1 + INPUTS].abs() > 4 * whole[1 + INPUTS :].abs().sum()).all()):
        assert float(values.min() - (constant - slope.abs().sum())) <= 1e-9


@pytest.mark.parametrize("broken", ["pairs", "squares", "unknown"])
def test_the_laws_notice(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Products counted once where they come twice, squares without their mean, gaps of the factors forgotten."""
    original = monomials.multiplied

    def wrong(first, second, count, lost):  # type: ignore[no-untyped-def]
        band = original(first, second, count, lost)
        middle = band.middle.clone()
        if broken == "unknown":
            return replace(band, remainder=0 * band.remainder)
        if broken == "pairs":
            middle[1 + count :] /= 2
        else:
            middle[0] = first.middle[0] * second.middle[0]
        return replace(band, middle=middle)

    monkeypatch.setattr("verifier.bounding.bands.multiplied", wrong)
    torch.manual_seed(0)
    left, right = torch.randn(2, INPUTS, INPUTS, dtype=torch.float64)
    case = form(quadratic(left, right, torch.ones(INPUTS, dtype=torch.float64)), 0.0)
    if broken == "unknown":
        case = Recipe((2,), ("linear", "relu", "product", "linear"), 3, 1.0, "box", 1, (0,)).case(1.0)
    with pytest.raises((AssertionError, ArithmeticError)):
        law_containment(case, Crown(), BANDS, 0, 64)
