"""SDP and Lipschitz bounds, spectral norms and eigenvalues: proofs that no solver can spoil."""

import numpy as np
import pytest
import torch
from complete_cases import encoded, least_at_points, one_row
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.strategies import Recipe, recipes
from scipy import sparse

from verifier.bounding.methods import Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.exact.deviations import Deviations
from verifier.complete.exact.highs import Highs
from verifier.complete.exact.lipschitz import around
from verifier.complete.exact.lipsdp import lipsdp
from verifier.complete.exact.norms import least_eigenvalue, spectral_norm
from verifier.complete.exact.safe import lower_bound
from verifier.complete.exact.sdp import Multipliers, proven, quadratic, suggested
from verifier.complete.search import Work
from verifier.numerics import flat

BENT = ("linear", "linear", "relu", "relu", "abs", "prelu", "clip")
SMALL = ((2,), (3,), (1, 3))


@settings(max_examples=25, deadline=None)
@given(recipes(BENT, ("linf", "box"), SMALL, batch=1, depth=4))
def test_the_sdp_is_between_the_lp_and_points(recipe: Recipe) -> None:
    """Its rows hold the triangles, so it is at least the LP; what is proved stays below every point."""
    case = recipe.case(0.4)
    encoder = encoded(case)
    asked = quadratic(encoder, one_row(case, encoder))
    multipliers = suggested(asked, 30.0, "CLARABEL")
    least = least_at_points(case, recipe.seed)
    if multipliers is None:
        return  # the solver failed: unknown
    bound = proven(asked, multipliers)
    scale = max(1.0, abs(least))
    assert bound <= least + 1e-12 * scale
    milp = Highs()(one_row(case, encoder), 30.0)
    if milp.bound > 0:
        assert bound <= milp.bound + 1e-6 * scale
    relaxed = Highs()(one_row(case, encoder).relaxed(), 30.0)
    assert relaxed.multipliers is not None
    if not any(layer == "clip" for layer in recipe.layers):  # their binaries are left out
        assert lower_bound(one_row(case, encoder), relaxed.multipliers) <= bound + 1e-4 * scale


@settings(max_examples=40, deadline=None)
@given(recipes(BENT, ("linf", "box"), SMALL, batch=1, depth=4))
def test_any_multipliers_of_the_sdp_prove(recipe: Recipe) -> None:
    case = recipe.case(0.4)
    encoder = encoded(case)
    asked = quadratic(encoder, one_row(case, encoder))
    rng = np.random.default_rng(recipe.seed)
    least = least_at_points(case, recipe.seed)
    k, r = len(asked.first.values), len(asked.rows.values)
    for size in (1e-3, 1.0, 1e3):
        noise = [rng.standard_normal(n) * size for n in (k, k, k, asked.variables, r)]
        assert proven(asked, Multipliers(float(rng.standard_normal()) * size, *noise)) <= least + 1e-12 * abs(least)
        assert proven(asked, Multipliers(least + size, *noise)) <= least + 1e-12 * abs(least)


@settings(max_examples=60, deadline=None)
@given(recipes((*BENT, "max", "conv", "sigmoid", "branches"), ("linf", "box", "feature", "l1", "l2"), batch=1, depth=5))
def test_deviations_hold_all_points(recipe: Recipe) -> None:
    """Rows of points differ from those of the centre by no more than either Lipschitz bound."""
    from laws.cases import points

    case = recipe.case()
    hull, center, scale, spread = around(case.region)
    table = propagate(case.graph, hull, Crown(), None, Options(proof=True)).table
    deviations = Deviations(case.graph, table, scale, spread).run()
    rows = flat(case.specification.rows[:, 0], 1).numpy()
    layered = deviations.rows(rows)
    joint = lipsdp(deviations, rows[:1], 12, Work(np.inf))
    middle = case.specification.values(case.graph(center))
    for x in points(case, recipe.seed, 12):
        away = (case.specification.values(case.graph(x)) - middle).abs()[:, 0].numpy()
        assert (away <= layered * (1 + 1e-12) + 1e-12).all()
        assert away[0] <= joint[0] * (1 + 1e-12) + 1e-12


def test_lipsdp_is_tighter_than_products() -> None:
    recipe = Recipe((3,), ("linear", "relu", "linear", "relu"), 5, 1.0, "linf", 1, (0, 0, 1, 2))
    case = recipe.case(0.4)
    hull, _, scale, spread = around(case.region)
    table = propagate(case.graph, hull, Crown(), None, Options(proof=True)).table
    deviations = Deviations(case.graph, table, scale, spread).run()
    rows = flat(case.specification.rows[:, 0], 1).numpy()
    joint = lipsdp(deviations, rows, 50, Work(np.inf))
    assert (joint <= deviations.rows(rows) * (1 + 1e-6)).all()
    assert (joint < 0.99 * deviations.rows(rows)).any()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([1e-150, 1e-3, 1.0, 1e100]))
def test_spectral_norms_are_above_and_close(n: int, m: int, seed: int, size: float) -> None:
    a = np.random.default_rng(seed).standard_normal((n, m)) * size
    true = float(np.linalg.norm(a, 2))
    assert true * (1 - 1e-14) <= spectral_norm(sparse.csr_array(a)) <= true * 1.01


def test_the_norm_of_a_projection_is_not_below_one() -> None:
    """Where power iteration from an unlucky start finds nothing."""
    a = np.diag([1.0, 0.0, 0.0])
    assert 1.0 <= spectral_norm(sparse.csr_array(a)) <= 1 + 1e-12


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 1e-9, 1.0]))
def test_least_eigenvalues_are_below_and_close(n: int, seed: int, shift: float) -> None:
    a = np.random.default_rng(seed).standard_normal((n, max(1, n - 1)))
    matrix = a @ a.T - shift * np.eye(n)
    true = min(0.0, float(np.linalg.eigvalsh(matrix)[0]))  # of a definite matrix nothing more is asked
    found = least_eigenvalue(matrix)
    assert true - 1e-10 <= found <= true + 1e-12


def test_least_eigenvalue_of_nonsense() -> None:
    assert least_eigenvalue(np.full((2, 2), np.nan)) == -np.inf


@pytest.mark.parametrize("seed", range(3))
def test_a_box_of_zero_width_deviates_by_rounding_only(seed: int) -> None:
    case = Recipe((3,), ("linear", "relu"), seed, 1.0, "point", 1, (0, 0, 1, 2)).case()
    hull, _, scale, spread = around(case.region)
    table = propagate(case.graph, hull, Crown(), None, Options(proof=True)).table
    rows = flat(case.specification.rows[:, 0], 1).numpy()
    assert (Deviations(case.graph, table, scale, spread).run().rows(rows) < 1e-9).all()
    assert torch.isfinite(hull.outer.center).all()
