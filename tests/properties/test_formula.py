"""Properties written as expressions over a model's inputs and outputs."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import verifier
from verifier.attacks.attack import broken
from verifier.model import Model
from verifier.properties.expression import Entry
from verifier.properties.variables import Variables
from verifier.queries.formula import specified
from verifier.verdict import Falsified, Verified


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4))
    return verifier.load(module, torch.zeros(1, 3))


def test_both_verdicts(model):
    region = verifier.linf(torch.zeros(1, 1, 3), 0.01, -1, 1)
    y, x = verifier.outputs(model), verifier.inputs(model)
    order = np.argsort(model.evaluator(np.zeros((1, 1, 3), np.float32)).reshape(-1))
    low, high = int(order[0]), int(order[-1])
    for holds in (
        (y[high] > y[low]) & (y[0, high] > -100),
        (y[low] > 50) | (y[high] - y[low] > 0),
        y[high] > y[low] + x[0] - x[1] * x[2] - 0.05,
    ):
        assert isinstance(verifier.verify(model, region, holds), Verified)
    assert isinstance(verifier.verify(model, region, (y[high] > y[low]) & (y[high] < y[low])), Falsified)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_clauses_mean_the_formula(model, data):
    """At every point, exactly: the clauses are broken where the formula is false."""
    y = verifier.outputs(model)
    eighths = st.integers(-8, 8).map(lambda n: Fraction(n, 8))
    number = st.integers(0, 3)
    atoms = st.builds(
        lambda i, j, c, kind: [y[i] < y[j] + c, y[i] <= c, y[i].equals(c), y[i].differs(y[j])][kind],
        number, number, eighths, number,
    )  # fmt: skip
    formula = data.draw(
        st.recursive(
            atoms, lambda f: st.one_of(st.builds(lambda a, b: a & b, f, f), st.builds(lambda a, b: a | b, f, f))
        )
    )
    values = data.draw(st.lists(eighths, min_size=4, max_size=4))
    _, clauses = specified(model, formula, 1)
    point = torch.tensor([float(v) for v in values], dtype=torch.float64).reshape(1, 1, 4)
    exact = {Entry("output", i): v for i, v in enumerate(values)}
    assert bool(broken(clauses, point)) != formula.at(exact)


@pytest.mark.parametrize("index", [4, -5, (0, 4), (1, 0), (0, 0, 0)])
def test_an_index_outside(index):
    with pytest.raises(verifier.InputError, match="lies outside of the shape"):
        Variables("output", (1, 4))[index]


def test_formulas_of_other_tensors(model):
    region = verifier.linf(torch.zeros(1, 1, 3), 0.01, -1, 1)
    with pytest.raises(verifier.InputError, match="mentions"):
        verifier.verify(model, region, Variables("Z", (3,))[0] > 0)


def test_too_large_to_write_as_clauses(model):
    y = verifier.outputs(model)
    wide = (y[0] > 1) & (y[1] > 1)
    for k in range(2, 20):
        wide = wide | ((y[0] > k) & (y[1] > k))
    with pytest.raises(verifier.InputError, match="clauses"):
        specified(model, wide, 1)
