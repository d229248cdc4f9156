"""The ways in which a formula can be true: for each an exact box of single entries and the comparisons besides.

The box keeps every bound of one entry by itself, so that disjuncts over inputs never leak into each other.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from verifier.properties.expression import And, Comparison, Entry, Formula, Or

MOST = 4096  # cases that several disjunctions may multiply to


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `greatest`, None where there is no end. `above` and `below`: without the end itself."""

    least: Fraction | Decimal | None = None
    greatest: Fraction | Decimal | None = None
    above: bool = False
    below: bool = False

    @property
    def empty(self) -> bool:
        if self.least is None or self.greatest is None:
            return False
        return self.least > self.greatest or (self.least == self.greatest and (self.above or self.below))

    def meet(self, other: "Range") -> "Range":
        low, high = self, self
        if other.least is not None and (low.least is None or (other.least, other.above) > (low.least, low.above)):
            low = other
        if other.greatest is not None and (
            high.greatest is None or (other.greatest, not other.below) < (high.greatest, not high.below)
        ):
            high = other
        return Range(low.least, high.greatest, low.above, high.below)


@dataclass(frozen=True, eq=False)
class Case:
    """One conjunction: `box` maps entries to ranges that are not empty, `rows` are comparisons `<` or `<=` zero."""

    box: Mapping[Entry, Range] = field(default_factory=dict)
    rows: tuple[Comparison, ...] = ()

    def meet(self, *others: "Case") -> "Case | None":
        """All of them; None where a range that they share is empty."""
        box, rows = dict(self.box), [*self.rows]
        for other in others:
            rows += other.rows
            for entry, more in other.box.items():
                box[entry] = both = box[entry].meet(more) if entry in box else more
                if both.empty:
                    return None
        return Case(box, tuple(rows))


@dataclass(frozen=True, eq=False)
class Cases:
    """The formula is true exactly where some case is; not `complete`: true at most there, as parts were left out."""

    cases: tuple[Case, ...]
    complete: bool = True


def cases(
    assertions: Iterable[Formula], free: Collection[str], base: Mapping[Entry, Range] | None = None, most: int = MOST
) -> Cases:
    """The cases of all `assertions` together. Tensors named in `free` have boxes, and `base` bounds their entries.

    Where disjunctions would multiply to more than `most` cases, the last of them are left out: a proof that the rest
    can't be true is a proof still, and a witness is checked on the formulas themselves.
    """
    base = base or {}
    parts = sorted((_cases(formula, free, base, most) for formula in assertions), key=lambda part: len(part.cases))
    alone = Case().meet(*(part.cases[0] for part in parts if len(part.cases) == 1))
    found, complete = [] if alone is None else [alone], all(part.complete for part in parts)
    for part in parts:
        if len(part.cases) == 1:
            continue
        if len(part.cases) > 1 and len(found) > 1 and len(found) * len(part.cases) > 16 * most:
            complete = False
            continue
        joined = [both for a in found for b in part.cases if (both := a.meet(b)) is not None]
        if len(joined) > max(most, len(found), len(part.cases)):
            complete = False
        else:
            found = joined
    return Cases(tuple(found), complete)


def _cases(formula: Formula, free: Collection[str], base: Mapping[Entry, Range], most: int) -> Cases:
    match formula:
        case And():
            return cases(formula.args, free, base, most)
        case Or():
            parts = [_cases(arg, free, base, most) for arg in formula.args]
            return Cases(tuple(case for part in parts for case in part.cases), all(p.complete for p in parts))
        case Comparison():
            return Cases(tuple(_of_comparison(formula, free, base)))
    raise TypeError(f"no formula: {type(formula).__name__}")


def _of_comparison(comparison: Comparison, free: Collection[str], base: Mapping[Entry, Range]) -> Iterable[Case]:
    left, relation = comparison.left, comparison.relation
    if not left.degree:
        return [Case()] if comparison.at({}) else []
    if relation == "!=":
        return [c for side in (left, -left) for c in _of_comparison(Comparison(side, "<"), free, base)]
    if relation == "==":
        below, above = (list(_of_comparison(Comparison(side, "<="), free, base)) for side in (left, -left))
        return [both for a in below for b in above if (both := a.meet(b)) is not None]
    (first, *others) = left.entries()
    if others or left.degree > 1 or first.name not in free:
        return [Case({}, (comparison,))]
    range = _range(left.terms[(first,)], left.constant, relation == "<").meet(base.get(first, Range()))
    return [] if range.empty else [Case({first: range})]


def _range(coefficient: Fraction, constant: Fraction, strict: bool) -> Range:
    """`coefficient * x + constant <= 0`, or `< 0`."""
    end = -constant if coefficient == 1 else -constant / coefficient
    return Range(None, end, below=strict) if coefficient > 0 else Range(end, None, above=strict)
