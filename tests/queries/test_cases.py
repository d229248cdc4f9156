"""A formula is true exactly where one of its cases is."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from verifier.properties.cases import Case, Range, cases
from verifier.properties.expression import And, Comparison, Entry, Or, Polynomial
from verifier.properties.possible import possible

ENTRIES = [Entry(name, i) for name in "XY" for i in (0, 1)]
eighths = st.integers(-8, 8).map(lambda n: Fraction(n, 8))
monomials = st.lists(st.sampled_from(ENTRIES), max_size=2).map(lambda m: tuple(sorted(m)))
polynomials = st.dictionaries(monomials, eighths, min_size=1, max_size=3).map(
    lambda terms: Polynomial({m: c for m, c in terms.items() if c})
)
comparisons = st.builds(Comparison, polynomials, st.sampled_from(["<", "<=", "==", "!="]))
formulas = st.recursive(
    comparisons,
    lambda inner: st.builds(
        lambda kind, args: kind(tuple(args)), st.sampled_from([And, Or]), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
points = st.fixed_dictionaries(dict.fromkeys(ENTRIES, eighths))


def inside(case, point):
    return all(within(r, point[e]) for e, r in case.box.items()) and all(row.at(point) for row in case.rows)


def within(r, value):
    low = r.least is None or r.least < value or (r.least == value and not r.above)
    return low and (r.greatest is None or value < r.greatest or (value == r.greatest and not r.below))


@given(st.lists(formulas, max_size=3), points)
def test_cases_mean_the_formulas(assertions, point):
    found = cases(assertions, free={"X"})
    assert found.complete
    assert any(inside(case, point) for case in found.cases) == all(f.at(point) for f in assertions)


@given(st.lists(formulas, min_size=2, max_size=4), points)
def test_too_many_cases_mean_no_less(assertions, point):
    found = cases(assertions, free={"X"}, most=1)
    if all(f.at(point) for f in assertions):
        assert any(inside(case, point) for case in found.cases)


@given(st.lists(formulas, max_size=2), points, eighths, eighths)
def test_base_only_narrows(assertions, point, a, b):
    base = {Entry("X", 0): Range(min(a, b), max(a, b))}
    found = cases(assertions, {"X"}, base)
    if within(base[Entry("X", 0)], point[Entry("X", 0)]):
        assert any(inside(case, point) for case in found.cases) == all(f.at(point) for f in assertions)


@given(formulas, points, st.lists(eighths, min_size=4, max_size=4))
def test_what_is_impossible_is_false(formula, point, numbers):
    base = {e: Range(*sorted((n, point[e]))) for e, n in zip(ENTRIES, numbers, strict=True)}
    for case in cases([formula], set("XY"), base).cases:
        if inside(case, point):
            assert possible(case, set("XY"), base)


def test_false_by_no_more_than_zero_is_impossible():
    a, b = (Polynomial({(entry,): Fraction(1)}) for entry in ENTRIES[:2])
    base = {entry: Range(Fraction(0), Fraction(1, 3)) for entry in ENTRIES}
    sums, products = Case({}, (a + b < 0,)), Case({}, (a * b > Fraction(1, 9),))
    assert not possible(sums, {"X"}, base)
    assert not possible(products, {"X"}, base)
    assert possible(Case({}, (a + b <= 0,)), {"X"}, base)
    assert possible(sums, {"Y"}, base)


def test_many_disjunctions_do_not_explode():
    y = [Polynomial({(Entry("Y", i),): Fraction(1)}) for i in range(40)]
    found = cases([(y[i] <= -1) | (y[i] >= 1) for i in range(40)], free={"X"})
    assert not found.complete
    assert len(found.cases) <= 4096


def test_disjunctions_over_inputs_that_exclude_each_other_do_not_multiply():
    x = Polynomial({(Entry("X", 0),): Fraction(1)})
    cells = Or(tuple((x >= i) & (x < i + 1) for i in range(100)))
    found = cases([cells, cells, cells], free={"X"})
    assert found.complete
    assert len(found.cases) == 100
