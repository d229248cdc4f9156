"""Can a case be true at all, as far as its comparisons of bounded entries tell? Asked exactly, in fractions.

Bounds in floating point never prove what is false by no more than rounding: `x0 + x1 < 0` where both are at least zero.
"""

from collections.abc import Collection, Mapping
from fractions import Fraction

from verifier.properties.cases import Case, Range
from verifier.properties.expression import Comparison, Entry, Polynomial

Ends = tuple[Fraction, Fraction]


def possible(case: Case, free: Collection[str], base: Mapping[Entry, Range]) -> bool:
    """False only if some comparison of entries of tensors in `free` is false in the whole box."""
    for row in case.rows:
        entries = row.left.entries()
        if all(entry.name in free for entry in entries) and not _possible(row, case.box, base):
            return False
    return True


def _possible(row: Comparison, box: Mapping[Entry, Range], base: Mapping[Entry, Range]) -> bool:
    ends: dict[Entry, Ends] = {}
    for entry in row.left.entries():
        range = box[entry] if entry in box else base[entry]
        if range.least is None or range.greatest is None:
            return True
        ends[entry] = Fraction(range.least), Fraction(range.greatest)
    least = _least(row.left, ends)
    return least < 0 if row.relation == "<" else least <= 0


def _least(polynomial: Polynomial, ends: Mapping[Entry, Ends]) -> Fraction:
    """A lower bound, monomial by monomial; exact where no entry occurs twice."""
    total = Fraction(0)
    for monomial, coefficient in polynomial.terms.items():
        low = high = coefficient
        for entry in monomial:
            corners = [a * b for a in (low, high) for b in ends[entry]]
            low, high = min(corners), max(corners)
        total += low
    return total
