"""Rows carry their comparison's coefficients exactly, up to one positive factor, and never a greater constant."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from verifier.properties.expression import Comparison, Entry, Polynomial
from verifier.queries.rows import denied

ENTRIES = [Entry("Y", i) for i in range(3)]
decimals = st.one_of(
    st.decimals(-1000, 1000, places=12).map(Fraction),
    st.decimals(-1, 1, places=30).map(Fraction),
    st.integers(-(10**40), 10**40).map(Fraction),
).filter(bool)
monomials = st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=2).map(lambda m: tuple(sorted(m)))


@given(st.dictionaries(monomials, decimals, min_size=1, max_size=3), decimals, st.sampled_from(["<", "<="]))
def test_rows_are_exact(terms, constant, relation):
    row = denied(Comparison(Polynomial({**terms, (): constant}), relation))
    sums = {m: sum(Fraction(w) for (other, _), w in row.weights.items() if other == m) for m in terms}
    scales = {sums[m] / c for m, c in terms.items()}
    assert len(scales) == 1
    (scale,) = scales
    assert Fraction(1, 2) < scale < 2
    exact = constant * scale
    assert Fraction(row.offset) <= exact
    assert exact - Fraction(row.offset) <= abs(exact) * Fraction(1, 2**52) + Fraction(1, 2**1074)
    assert row.closed == (relation == "<")


def test_what_float64_holds_stays_as_written():
    y = Polynomial({(ENTRIES[0],): Fraction(1), (ENTRIES[1],): Fraction(-3, 4)})
    assert denied(y <= Fraction(1, 4)).weights == {((ENTRIES[0],), 0): 1.0, ((ENTRIES[1],), 0): -0.75}
