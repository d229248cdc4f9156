"""Rows that are stored small, and whole ones, operation by operation."""

from collections.abc import Callable

import pytest

from laws.coefficients import Sample, law_plus, law_relax, law_sums, law_through, samples

LAWS = [law_plus, law_relax, law_sums, law_through]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_what_is_stored_small_equals_whole_rows(law: Callable[[Sample, int], None], seed: int) -> None:
    for sample in samples(seed):
        law(sample, seed)
