"""Inputs that a case makes equal are one input, and one network that reads the same inputs twice is one network.

A case that holds `x <= y` and `y <= x` speaks of points with `x = y` only. Written with one name for both it loses
nothing: ranges meet, comparisons of what is equal become comparisons of numbers, and fewer inputs are left. Witnesses
are exact too, since equal inputs are printed from one number. Ties with a factor or an offset (`x = 2 * y + 0.1`) are
left as comparisons: the float32 of the right side would not meet them exactly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.formats.vnnlib.query import Network, Query
from verifier.properties.cases import Case, Range, cases
from verifier.properties.expression import Comparison, Entry, Polynomial
from verifier.queries.networks import entries

Ties = Mapping[Entry, Entry]  # of inputs: each one that is not its own name, to the one that stands for it
MOST = 16  # different sets of ties, each with a graph of its own


@dataclass(frozen=True, eq=False)
class Tied:
    """A case in which `ties` are written out."""

    case: Case
    ties: Ties


def untied(found: Sequence[Case], query: Query, files: Mapping[str, Path], base: Mapping[Entry, Range]) -> list[Tied]:
    """Every case with its equal inputs under one name; cases that turn out to be impossible are left out."""
    order = {v.name: i for i, v in enumerate(v for network in query.networks for v in network.inputs)}
    types = {v.name: v.dtype for network in query.networks for v in network.inputs}
    known = [_ties(case, order, types) for case in found]
    if len({frozenset(ties.items()) for ties in known}) > MOST:
        return [Tied(case, {}) for case in found]
    same = {frozenset(ties.items()): _same(query, files, ties) for ties in known}
    written = [_written(case, t, same[frozenset(t.items())], base, types) for case, t in zip(found, known, strict=True)]
    return [Tied(case, ties) for case, ties in zip(written, known, strict=True) if case is not None]


def _ties(case: Case, order: Mapping[str, int], types: Mapping[str, str]) -> Ties:
    """The inputs that comparisons of two make equal, each to the first of its class in the order of declaration."""
    at_most = {pair for row in case.rows if (pair := _at_most(row, types)) is not None}
    stands: dict[Entry, Entry] = {}

    def name(entry: Entry) -> Entry:
        while entry in stands:
            entry = stands[entry]
        return entry

    for small, large in at_most:
        if (large, small) in at_most and name(small) != name(large):
            first, second = sorted((name(small), name(large)), key=lambda e: (order[e.name], e.index))
            stands[second] = first
    return {entry: name(entry) for entry in stands}


def _at_most(row: Comparison, types: Mapping[str, str]) -> tuple[Entry, Entry] | None:
    """`(x, y)` where the row says `x <= y`, or `x < y`, of two inputs of one type."""
    terms = row.left.terms
    if len(terms) != 2 or any(len(monomial) != 1 for monomial in terms):
        return None
    ((x,), a), ((y,), b) = terms.items()
    if a != -b or x.name not in types or y.name not in types or types[x.name] != types[y.name]:
        return None
    return (x, y) if a > 0 else (y, x)


def _written(
    case: Case, ties: Ties, same: Mapping[str, str], base: Mapping[Entry, Range], free: Collection[str]
) -> Case | None:
    """The case with one name for what is equal; None where it is impossible."""
    if not ties:
        return case
    box: dict[Entry, Range] = {}
    for entry in dict.fromkeys([*case.box, *ties, *ties.values()]):
        range = case.box[entry] if entry in case.box else base.get(entry, Range())
        name = ties.get(entry, entry)
        box[name] = both = box[name].meet(range) if name in box else range
        if both.empty:
            return None
    rows = [replace(row, left=_renamed(row.left, ties, same)) for row in case.rows]
    left = cases(rows, free, base).cases
    return Case(box).meet(left[0]) if left else None


def _same(query: Query, files: Mapping[str, Path], ties: Ties) -> dict[str, str]:
    """Outputs and hidden tensors that equal those of an earlier network, by name: one file on the same inputs. The
    file's path tells, not its bytes, as weights may lie beside it."""
    same: dict[str, str] = {}
    if not ties:
        return same
    first: dict[tuple[object, ...], Network] = {}
    for network in query.networks:
        read = tuple(ties.get(entry, entry) for entry in _inputs(network))
        other = first.setdefault((files[network.name].resolve(), read), network)
        if other is not network:
            hidden = {v.onnx_name: v.name for v in other.hidden}
            same |= {v.name: o.name for v, o in zip(network.outputs, other.outputs, strict=True)}
            same |= {v.name: hidden[v.onnx_name] for v in network.hidden if v.onnx_name in hidden}
    return same


def _inputs(network: Network) -> Iterable[Entry]:
    return (entry for variable in network.inputs for entry in entries(variable))


def _renamed(left: Polynomial, ties: Ties, same: Mapping[str, str]) -> Polynomial:
    total = Polynomial()
    for monomial, coefficient in left.terms.items():
        names = (ties.get(e) or Entry(same.get(e.name, e.name), e.index) for e in monomial)
        total = total + Polynomial({tuple(sorted(names)): coefficient})
    return total


def mentioned(found: Collection[Case]) -> set[str]:
    """The tensors that comparisons of the cases mention."""
    return {entry.name for case in found for row in case.rows for entry in row.left.entries()}
