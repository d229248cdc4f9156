"""Does a query mean the same as the plain second reading of its text? Asked at points near every bound and constant."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from math import prod

from simple_vnnlib import Key, SimpleQuery

from verifier.formats.vnnlib.query import Query
from verifier.properties.expression import Entry, Formula

Point = dict[Entry, Fraction]
NEAR = (Fraction(0), Fraction(1, 10**12), Fraction(-1, 10**12), Fraction(1, 100), Fraction(-1, 100))


def entries(query: Query) -> list[Entry]:
    variables = [v for network in query.networks for v in network.variables]
    return [Entry(v.name, index) for v in variables for index in range(prod(v.shape))]


def holds(query: Query, at: Point) -> bool:
    """The truth of the whole query."""
    return within(query, at, entries(query)) and all(formula.at(at) for formula in query.assertions)


def within(query: Query, at: Point, those: list[Entry]) -> bool:
    least, greatest = query.least, query.greatest
    return all((e not in least or at[e] >= least[e]) and (e not in greatest or at[e] <= greatest[e]) for e in those)


def points(query: Query, count: int, rng: random.Random) -> Iterator[Point]:
    """First one within all bounds; then changes to it: a few entries, moved onto or next to constants of the query."""
    keys = entries(query)
    yield {e: middle(query, e) for e in keys}
    comparisons = [c for formula in query.assertions for c in islice(formula.comparisons(), 10_000)]
    constants = [Fraction(0), *(c.left.constant for c in comparisons)]
    named = sorted({e for c in comparisons for e in c.left.entries()})
    for _ in range(count):
        change = {}
        for e in rng.sample(named, min(len(named), rng.randint(1, 8))) + rng.sample(keys, min(2, len(keys))):
            bounds = [Fraction(b[e]) for b in (query.least, query.greatest) if e in b]
            change[e] = rng.choice((1, -1)) * rng.choice(constants) + rng.choice(NEAR)
            if bounds and rng.random() < 0.9:
                change[e] = rng.choice(bounds) + (rng.choice(NEAR) if rng.random() < 0.3 else 0)
        yield change


def middle(query: Query, e: Entry) -> Fraction:
    known = [Fraction(b[e]) for b in (query.least, query.greatest) if e in b]
    return sum(known, Fraction(0)) / max(len(known), 1)


class Side:
    """Assertions of one reading: which are false at the first point, and which name an entry."""

    def __init__(self, named: list[set[Key]], true: Callable[[int], bool]) -> None:
        self.true = true
        self.false = {number for number in range(len(named)) if not true(number)}
        self.touched: dict[Key, list[int]] = {}
        for number, keys in enumerate(named):
            for key in keys:
                self.touched.setdefault(key, []).append(number)

    def after(self, change: Point) -> bool:
        """Do all hold once these entries have changed?"""
        anew = {number for e in change for number in self.touched.get((e.name, e.index), ())}
        return self.false <= anew and all(map(self.true, anew))


def disagreements(text: str, query: Query, count: int, seed: int = 0) -> tuple[list[Point], set[bool]]:
    """Points where the two readings differ, and the truth values seen."""
    simple, moves = SimpleQuery(text), points(query, count, random.Random(seed))
    at = next(moves)
    plain = {(e.name, e.index): value for e, value in at.items()}
    theirs = Side([set(simple.keys(t)) for t in simple.assertions], lambda n: simple.holds(simple.assertions[n], plain))
    ours = Side([keys(formula) for formula in query.assertions], lambda n: query.assertions[n].at(at))
    outside = {e for e in at if not within(query, at, [e])}
    wrong, seen = [], set()
    for change in ({}, *moves):
        before = {e: at[e] for e in change}
        at.update(change)
        plain.update({(e.name, e.index): value for e, value in change.items()})
        expected = theirs.after(change)
        found = outside <= set(change) and within(query, at, list(change)) and ours.after(change)
        seen.add(expected)
        if found != expected:
            wrong.append(change)
        at.update(before)
        plain.update({(e.name, e.index): value for e, value in before.items()})
    return wrong, seen


def keys(formula: Formula) -> set[Key]:
    return {(e.name, e.index) for comparison in formula.comparisons() for e in comparison.left.entries()}
