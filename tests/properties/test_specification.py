"""Clauses, strictness, and what is refused."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties.laws import law_margin, specification
from torch import Tensor

from verifier.errors import InputError
from verifier.properties import Specification, robust

CLAUSES = [(0,), (0, 0), (0, 1), (0, 0, 1), (0, 1, 0), (1, 0, 1, 0), (0, 1, 2), (2, 0, 1, 1), (0, 0, 0)]


@pytest.mark.parametrize("clause", CLAUSES)
def test_margin_agrees_with_logic_for_all_signs(clause: tuple[int, ...]) -> None:
    for values in itertools.product([-1.0, 0.0, 2.0], repeat=len(clause)):
        law_margin(clause, list(values))


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.sampled_from([c for c in CLAUSES if len(c) == 4]))
def test_margin_agrees_with_logic(values: list[float], clause: tuple[int, ...]) -> None:
    law_margin(clause, values)


def test_or_takes_the_best_row_and_and_the_worst_clause() -> None:
    values = torch.tensor([[3.0], [-1.0]])
    assert float(specification((0, 0)).margin(values)) == 3.0
    assert float(specification((0, 1)).margin(values)) == -1.0


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_value_that_is_no_number_proves_nothing(clause: tuple[int, ...]) -> None:
    """Unless another row of its clause decides it, which a comparison with NaN does not say either."""
    for k in range(len(clause)):
        values = torch.ones(len(clause), 1)
        values[k] = torch.nan
        assert not bool(specification(clause).margin(values) > 0)


def test_a_tie_breaks_robustness() -> None:
    chosen = robust(torch.tensor([0]), (3,))
    assert float(chosen.margin(chosen.values(torch.tensor([[1.0, 1.0, 0.0]]).double()))) == 0.0
    assert not bool(chosen.margin(chosen.values(torch.tensor([[1.0, 1.0, 0.0]]).double())) > 0)


@given(st.integers(0, 4), st.lists(st.floats(-9, 9, width=32), min_size=5, max_size=5))
def test_robust_is_about_the_label(label: int, outputs: list[float]) -> None:
    chosen, y = robust(torch.tensor([label]), (5,)), torch.tensor([outputs], dtype=torch.float64)
    wins = all(outputs[label] > other for i, other in enumerate(outputs) if i != label)
    assert bool(chosen.margin(chosen.values(y)) > 0) == wins
    assert len(chosen.rows) == 4


def test_robust_batches_keep_their_labels() -> None:
    labels = torch.tensor([2, 0, 1])
    chosen = robust(labels, (1, 3, 1))
    y = torch.eye(3, dtype=torch.float64)[labels].reshape(3, 1, 3, 1)
    assert chosen.margin(chosen.values(y)).tolist() == [1.0, 1.0, 1.0]
    kept = chosen.select(torch.tensor([2, 2]))
    assert kept.margin(kept.values(y[[2, 0]])).tolist() == [1.0, -1.0]


def test_values_are_rows_and_offset() -> None:
    chosen = Specification(torch.tensor([[[1.0, -2.0]]]), torch.tensor([[0.5]]), (0,))
    assert float(chosen.values(torch.tensor([[3.0, 1.0]]))) == 1.5


def test_in_another_dtype() -> None:
    assert robust(torch.tensor([1]), (2,)).to(torch.float32, "cpu").rows.dtype == torch.float32


@pytest.mark.parametrize(("labels", "shape"), [([3], (3,)), ([-1], (3,)), ([0], (1,)), ([0], ())])
def test_impossible_labels_and_outputs_are_refused(labels: list[int], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        robust(torch.tensor(labels), shape)


@pytest.mark.parametrize("clause", [(), (1,), (0, 2), (-1, 0)])
def test_clauses_with_gaps_are_refused(clause: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="clauses"):
        specification(clause)


@pytest.mark.parametrize(("rows", "offset"), [((2, 1, 3), (2, 1)), ((1, 1, 3), (1, 2)), ((1, 2, 3), (1, 1))])
def test_rows_that_do_not_fit_are_refused(rows: tuple[int, ...], offset: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="row"):
        Specification(torch.zeros(rows), torch.zeros(offset), (0,))


def margin_of(values: Tensor, clause: tuple[int, ...]) -> Tensor:
    return specification(clause, values.shape[1]).margin(values)


def test_margins_of_a_batch_do_not_mix() -> None:
    values = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    clause = (0, 1, 0, 1)
    single = torch.cat([margin_of(values[:, [i]], clause) for i in range(20)])
    assert torch.equal(margin_of(values, clause), single)
