"""Does a query mean the same as the plain second reading of its text? Asked at points near every bound and constant."""

import random
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import islice
from math import prod

import numpy as np
from simple_vnnlib import Key, SimpleQuery

from verifier.formats.vnnlib.query import Query
from verifier.properties.expression import And, Comparison, Entry, Formula, Or

Point = dict[Entry, Fraction]
About = Callable[[Callable[[Key], np.ndarray]], tuple[np.ndarray, np.ndarray]]  # truths, and where not to be trusted
Exact = Callable[[Mapping[Key, Fraction]], bool]
NONE = np.array([], dtype=int)
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


class Places:
    """Many points: changes of one, which comes last. In float64 for many at once, or one of them exactly."""

    def __init__(self, base: Point, changes: list[Point]) -> None:
        self.base = {(e.name, e.index): value for e, value in base.items()}
        self.changes = [{(e.name, e.index): value for e, value in change.items()} for change in changes]
        changed: dict[Key, dict[int, float]] = {}
        for number, change in enumerate(self.changes):
            for key, value in change.items():
                changed.setdefault(key, {})[number] = float(value)
        self.changed = {k: (np.array(list(at)), np.array(list(at.values()))) for k, at in changed.items()}

    def near(self, those: np.ndarray, key: Key) -> np.ndarray:
        values = np.full(len(those), float(self.base[key]))
        if key in self.changed:
            numbers, changed = self.changed[key]
            values[np.searchsorted(those, numbers)] = changed
        return values

    def exact(self, number: int) -> Mapping[Key, Fraction]:
        return ChainMap(self.changes[number], self.base) if number < len(self.changes) else self.base

    def leaf(self, keys: set[Key], about: About, exact: Exact) -> np.ndarray:
        """Truths of a comparison at all points, asked only where one of its entries was changed, and at the last one;
        exactly where float64 is too coarse to tell."""
        numbers = [self.changed[key][0] for key in keys if key in self.changed]
        some = numbers[0] if len(numbers) == 1 else np.unique(np.concatenate(numbers)) if numbers else NONE
        those = np.append(some, len(self.changes))
        true, unsure = (np.broadcast_to(x, those.shape) for x in about(partial(self.near, those)))
        true = true.copy()
        for k in np.flatnonzero(unsure):
            true[k] = exact(self.exact(int(those[k])))
        whole = np.full(len(self.changes) + 1, true[-1])
        whole[those] = true
        return whole


def truths(query: Query, places: Places) -> Iterator[np.ndarray]:
    """Of everything that must hold."""
    for bounds, sign in ((query.least, 1), (query.greatest, -1)):
        for e, bound in bounds.items():
            yield bounded((e.name, e.index), Fraction(bound), sign, places)
    yield from (formula_truths(formula, places) for formula in query.assertions)


def bounded(key: Key, bound: Fraction, sign: int, places: Places) -> np.ndarray:
    def about(near: Callable[[Key], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        x, c = near(key), float(bound)
        return sign * (x - c) >= 0, abs(x - c) <= 1e-12 * (abs(x) + abs(c))

    return places.leaf({key}, about, lambda at: sign * (at[key] - bound) >= 0)


def formula_truths(formula: Formula, places: Places) -> np.ndarray:
    match formula:
        case And(args=args) | Or(args=args):
            join = np.logical_and if isinstance(formula, And) else np.logical_or
            nothing = np.full(len(places.changes) + 1, isinstance(formula, And))
            return join.reduce([formula_truths(arg, places) for arg in args] or [nothing])
        case Comparison():
            return places.leaf(keys(formula), partial(about, formula), partial(truth, formula))
    raise TypeError(f"no formula: {type(formula).__name__}")


def about(comparison: Comparison, near: Callable[[Key], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    value, size = np.float64(0), np.float64(0)
    for monomial, coefficient in comparison.left.terms.items():
        term = prod((near((e.name, e.index)) for e in monomial), start=np.float64(coefficient))
        value, size = value + term, size + abs(term)
    true = {"<": value < 0, "<=": value <= 0, "==": value == 0, "!=": value != 0}[comparison.relation]
    return true, abs(value) <= 1e-12 * size


def truth(comparison: Comparison, at: Mapping[Key, Fraction]) -> bool:
    return comparison.at({e: at[e.name, e.index] for e in comparison.left.entries()})


def disagreements(text: str, query: Query, count: int, seed: int = 0) -> tuple[list[Mapping[Key, Fraction]], set[bool]]:
    """Points where the two readings differ, and the truth values seen."""
    simple, moves = SimpleQuery(text), points(query, count, random.Random(seed))
    places = Places(next(moves), list(moves))
    plain, found = np.ones((2, len(places.changes) + 1), dtype=bool)
    for tree in simple.assertions:
        plain &= simple.truths(tree, places.leaf)
    for true in truths(query, places):
        found &= true
    return [places.exact(int(k)) for k in np.flatnonzero(plain != found)], set(plain.tolist())


def keys(formula: Formula) -> set[Key]:
    return {(e.name, e.index) for comparison in formula.comparisons() for e in comparison.left.entries()}
