"""The exact backend against brute force and against looser bounds, on random small networks."""

import numpy as np
import pytest
import torch
from complete_cases import encoded, of_clause, one_row, program, rows
from hypothesis import assume, given, settings
from laws.cases import Case, points
from laws.enumeration import TooMany, minimum
from laws.strategies import Recipe, recipes

from verifier.bounding.methods import AlphaCrown, Crown, Ibp
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.exact.highs import Highs
from verifier.complete.exact.program import Status
from verifier.complete.exact.safe import lower_bound

KINDS = ("linear", "conv", "relu", "relu", "prelu", "clip", "abs", "max", "branches", "concat", "norm")
BOXES = ("linf", "feature", "box", "pixel")
CLOSE = 1e-6
CASES = recipes(KINDS, BOXES, ((2,), (3,), (1, 3), (1, 1, 2, 3)), batch=1, depth=4)
FEW = 7  # binaries: brute force follows


def brute(case: Case, clause: int) -> float:
    box = case.region.box()
    return minimum(
        case.graph, box.lower.reshape(-1).numpy(), box.upper.reshape(-1).numpy(), *rows(case, of_clause(case, clause))
    )


@settings(max_examples=25, deadline=None)
@given(CASES)
def test_milp_is_brute_force(recipe: Recipe) -> None:
    """Over every clause: LP <= MILP = the least over all patterns; and what the multipliers prove is below the LP."""
    case = recipe.case(0.4)
    encoder = encoded(case)
    assume(int(encoder.build.integer.sum()) <= FEW)
    for clause in sorted(set(recipe.clause)):
        asked = program(case, encoder, of_clause(case, clause))
        try:
            least = brute(case, clause)
        except TooMany:
            assume(False)
        answer, relaxed = Highs()(asked, 60.0), Highs()(asked.relaxed(), 60.0)
        scale = max(1.0, abs(least))
        if answer.status is Status.LIMIT:  # it may stop once its point is negative
            assert answer.bound <= least + CLOSE * scale
        else:
            assert answer.status is Status.OPTIMAL
            assert answer.bound == pytest.approx(least, abs=CLOSE * scale)
        assert relaxed.multipliers is not None
        safe = lower_bound(asked, relaxed.multipliers)
        assert safe <= least + 1e-9 * scale
        assert relaxed.bound - CLOSE * scale <= safe <= relaxed.bound + CLOSE * scale


@settings(max_examples=25, deadline=None)
@given(recipes(KINDS, ("linf", "box", "l1", "l2"), batch=1, depth=5))
def test_crown_is_below_the_lp_is_below_points(recipe: Recipe) -> None:
    """For single rows: bounds by lines <= the safe LP bound <= every point; also with tightened neurons."""
    case = recipe.case()
    crown = propagate(case.graph, case.region, Crown(), case.specification, Options(proof=True)).rows
    assert crown is not None
    least = torch.stack([case.specification.values(case.graph(x)) for x in points(case, recipe.seed)]).amin(0)
    for tighten in (False, True):
        encoder = encoded(case, tighten=tighten)
        for row in range(len(crown)):
            asked = one_row(case, encoder, row)
            answer = Highs()(asked.relaxed(), 60.0)
            assert answer.multipliers is not None
            safe = lower_bound(asked, answer.multipliers)
            scale = max(1.0, abs(float(least[row, 0])), float(crown[row, 0].abs()))
            assert safe <= float(least[row, 0]) + 1e-12 * scale
            if recipe.region != "l2":  # its program has the box only
                assert float(crown[row, 0]) <= safe + CLOSE * scale


@settings(max_examples=40, deadline=None)
@given(recipes((*KINDS, "sign", "sigmoid", "tanh"), ("linf", "box", "l1"), batch=1, depth=4))
def test_any_multipliers_prove(recipe: Recipe) -> None:
    """Multipliers of any origin give a bound that points respect; with intervals of any method."""
    case = recipe.case()
    rng = np.random.default_rng(recipe.seed)
    least = torch.stack([case.specification.values(case.graph(x)) for x in points(case, recipe.seed)]).amin(0)
    for method in (Ibp(), AlphaCrown(steps=2)):
        encoder = encoded(case, method)
        asked = one_row(case, encoder)
        noise = rng.standard_normal(len(asked.row_lower)) * 10.0 ** rng.integers(-3, 3)
        answer = Highs()(asked.relaxed(), 60.0)
        assert answer.multipliers is not None
        for multipliers in (noise, answer.multipliers, answer.multipliers + 1e-7 * noise, noise * np.nan):
            assert lower_bound(asked, multipliers) <= float(least[0, 0]) + 1e-12 * abs(float(least[0, 0]))
