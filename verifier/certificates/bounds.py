"""Intervals of all nodes and bounds of rows, from the slopes that a certificate proposes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np

from verifier.certificates.affine import size
from verifier.certificates.bands import Bands
from verifier.certificates.crops import near, parts
from verifier.certificates.file import LARGEST, Reader
from verifier.certificates.numbers import ENTRIES, Array, chunks
from verifier.certificates.operators import Network
from verifier.certificates.rule import Lines
from verifier.certificates.rules import Rectifier
from verifier.certificates.table import Table
from verifier.certificates.walk import Walk
from verifier.certificates.zonotope import Zonotopes
from verifier.graph.graph import Node

Known = Mapping[str, tuple[Array, Array]]
NOTHING: Known = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Shares:
    """For each nonlinear node and side, bytes `(S, n)`: slopes as shares of their range; where there are none, 0."""

    values: Mapping[str, Mapping[str, Array]]

    def lines(self, table: Table, rows: slice) -> dict[str, Lines]:
        """Lines `(S, 1, n)` of these rows for the nodes that the table has."""
        found = {}
        numbers = table.network.numbers
        for name, rule in table.network.rules.items():
            (source,) = table.network.graph.by_name[name].inputs
            if source not in table.lower:
                continue
            sides = {side: numbers.shares(x[rows])[:, None] for side, x in self.values.get(name, {}).items()}
            found[name] = between(rule, table.lower[source], table.upper[source], sides)
        return found


def between(rule, lower: Array, upper: Array, shares: Mapping[str, Array]) -> Lines:  # type: ignore[no-untyped-def]
    """Lines with slopes at `shares` of their ranges."""
    (least, most), (low, high) = rule.range(lower, upper)
    below = least + shares["lower"] * (most - least) if "lower" in shares else least
    above = low + shares["upper"] * (high - low) if "upper" in shares else low
    return rule.lines(lower, upper, below, above)


class Recipe:
    """How a certificate says that `B` boxes are bounded: which nodes by rows, with which slopes. Of a node entries that
    are not `relevant (n,)` for what is asked are left as they are."""

    def __init__(self, network: Network, proof: Reader, boxes: int, relevant: Mapping[str, Array]) -> None:
        self.network, self.relevant = network, relevant
        self.tightened = {name.text() for name in proof["tightened"].list()}
        self.level = bool(proof["level"].number())  # rows end at intervals of nonlinear nodes (interval arithmetic)
        if self.level and self.tightened:
            raise proof.wrong("interval arithmetic tightens nothing")
        self.grounded = bool(proof["grounded"].number())  # rows once more with zero below every ReLU
        self.bands = max(0, proof["bands"].number())  # symbols of bands beside the intervals
        if self.level and self.bands:
            raise proof.wrong("bands belong to linear bounds")
        self.symbols = self._symbols(proof["symbols"])
        self.standard = {
            name: tuple(value[side].array("f", boxes, self._size(value, name, 0)) for side in ("lower", "upper"))
            for name, value in proof["standard"].items()
        }
        self.starts = {
            name: [self._start(part, name) for part in value.list()] for name, value in proof["starts"].items()
        }
        self.rows = [(part["first"].number(), self._shares(part["shares"])) for part in proof["rows"].list()]

    def _symbols(self, value: Reader) -> dict[str, int]:
        """Of zonotopes, as far as they go: at most so many behind each node."""
        sizes = {node.name: size(node.shape) for node in self.network.graph.nodes}
        found = {name: min(part.number(), sum(sizes.values())) for name, part in value.items()}
        if found and self.level:
            raise value.wrong("zonotopes belong to linear bounds")
        for name in found:
            if name not in sizes or not set(self.network.graph.by_name[name].inputs) <= set(found):
                raise value.wrong(f"zonotopes do not come to {name}")
        largest = max((count * sizes[name] for name, count in found.items()), default=0)
        if 8 * largest > LARGEST:
            raise value.wrong(f"zonotopes of {largest:,} numbers would take more than {LARGEST:,} bytes")
        return found

    def _start(self, part: Reader, name: str) -> tuple[Array, Shares]:
        """Entries of a node, and slopes for their lower and then their upper bounds."""
        index = part["index"].array("i", -1)
        if name not in self.network.graph.by_name or ((index < 0) | (index >= self._size(part, name))).any():
            raise part.wrong(f"there are no such entries of {name}")
        return index, self._shares(part["shares"], 2 * len(index))

    def _shares(self, value: Reader, rows: int = -1) -> Shares:
        found: dict[str, dict[str, Array]] = {}
        for name, sides in value.items():
            found[name] = {side: x.array("u", rows, self._size(sides, name, 0)) for side, x in sides.items()}
        return Shares(found)

    def _size(self, where: Reader, name: str, argument: int | None = None) -> int:
        """Entries of a node, or of the argument of a nonlinear one."""
        node = self.network.graph.by_name.get(name)
        if node is None or (argument is not None and name not in self.network.rules):
            raise where.wrong(f"the network has no {'nonlinear ' if argument is not None else ''}node {name}")
        return size(node.shape if argument is None else self.network.graph.by_name[node.inputs[argument]].shape)

    def table(self, lower: Array, upper: Array, boxes: Array | None = None, known: Known = NOTHING) -> Table:
        """Proven intervals of all nodes over the boxes `(B, n)`; `boxes` are their numbers in the recipe, `known` are
        intervals that hold there."""
        table = Table(self.network)
        table.forwards += [Zonotopes(table, self.symbols)] if self.symbols else []
        table.forwards += [Bands(table, self.bands)] if self.bands else []
        for node in self.network.graph.nodes:
            table.enter(node, (lower, upper))
            if node.name in known:
                table.improve(node.name, *known[node.name])
            if node.nonlinear and not self.level:
                table.lines[node.name] = self._standard(table, node, boxes)
            for forwards in table.forwards:
                forwards.enter(node)
            if node.name in self.tightened:
                self._tighten(table, node)
        return table

    def _standard(self, table: Table, node: Node, boxes: Array | None) -> Lines:
        rule, (source,) = self.network.rules[node.name], node.inputs
        lower, upper = table.lower[source], table.upper[source]
        known = rule.standard(lower, upper)
        if known is not None:
            return known
        if node.name in self.standard:
            low, high = (x if boxes is None else x[boxes] for x in self.standard[node.name])
            return rule.lines(lower, upper, self.network.numbers.array(low), self.network.numbers.array(high))
        return between(rule, lower, upper, {})

    def _tighten(self, table: Table, node: Node) -> None:
        """Rows for the entries that some reader does not see as linear; then those with slopes of their own."""
        open_ = np.zeros(table.lower[node.name].shape, dtype=bool)
        for reader in self.network.graph.nodes:
            if not all(forwards.linearises(reader) for forwards in table.forwards):
                continue
            if reader.name in self.network.rules and node.name in reader.inputs:
                open_ |= ~self.network.rules[reader.name].linear(table.lower[node.name], table.upper[node.name])[0]
        open_ &= self.relevant.get(node.name, False)
        places = self.orders[node.name]
        order = places[np.argsort(~open_[:, places], axis=1, kind="stable")[:, : int(open_.sum(1).max(initial=0))]]

        def usual(part: slice, boxes: Array) -> Walk:
            some = table.select(boxes)
            return Walk(some, some.lines)

        self._improve(table, node.name, order.T, usual, open_)
        for index, shares in self.starts.get(node.name, []):
            self._improve(table, node.name, index[:, None], partial(self._proposed, table, shares, len(index)))

    def _proposed(self, table: Table, shares: Shares, count: int, part: slice, boxes: Array) -> Walk:
        """With slopes for the lower and then the upper bounds of a part of `count` entries."""
        rows = np.r_[part.start : part.stop, count + part.start : count + part.stop]
        return Walk(table, shares.lines(table, rows))

    def _improve(
        self, table: Table, name: str, index: Array, walk: Callable[[slice, Array], Walk], asked: Array | None = None
    ) -> None:
        """Bound the entries `index (S, B)` of a node from both sides, by a walk for a part of these and some boxes.

        Where only some are `asked (B, n)` for, they are each box's first. Others fill up the batch: what is found of
        them does not count, as slopes that follow need not get better by it.
        """
        lower, upper = table.lower[name].copy(), table.upper[name].copy()
        counts = np.full(index.shape[1], len(index)) if asked is None else asked.sum(1)

        def taken(part: slice) -> tuple[Array, Array]:
            boxes = np.flatnonzero(counts > part.start)
            return boxes, index[part][:, boxes]

        def width(part: slice) -> int:
            boxes, rows = taken(part)
            return 2 * len(boxes) * max(crop.size for crop in self.network.met(name, rows).values())

        for part in parts(len(index), width):
            boxes, rows = taken(part)
            bound = walk(part, boxes).entries(name, rows, self.network.met(name, rows))
            lower[boxes, rows], upper[boxes, rows] = bound[: len(rows)], -bound[len(rows) :]
        if asked is not None:
            lower, upper = np.where(asked, lower, table.lower[name]), np.where(asked, upper, table.upper[name])
        table.improve(name, lower, upper)

    def bounded(self, table: Table, rows: Array, offset: Array) -> tuple[Array, Array | None, Array]:
        """Of the rows `(S, B, m)` at the output lower bounds `(V * S, B)` by each of `V` ways and their coefficients at
        the input, and the best bounds `(S, B)`."""
        start = self.network.graph.output
        fitting = chunks(len(rows), rows.shape[1] * self.widest)
        found = [way.bound(start, rows[part]) for way in self._ways(table) for part in fitting]
        ahead = [forwards.bound(rows) for forwards in table.forwards]
        found += [(bound, slope) for bound, slope in ahead if slope is not None]
        linear, coefficients = np.concatenate([x for x, _ in found]), [a for _, a in found if a is not None]
        arrived = np.concatenate(coefficients) if len(coefficients) == len(found) else None
        ways = len(linear) // len(rows)
        best = np.maximum(linear.reshape(ways, *rows.shape[:2]).max(0), self._direct(table, rows))
        for bound, _ in ahead:
            best = np.maximum(best, bound)
        for first, shares in self.rows:
            count = max((len(x) for sides in shares.values.values() for x in sides.values()), default=0)
            part = slice(first, min(first + count, len(rows)))
            for at in chunks(part.stop - part.start, self.widest):
                asked = slice(first + at.start, first + at.stop)
                tried = Walk(table, shares.lines(table, at)).bound(start, rows[asked])[0]
                best = best.copy()
                best[asked] = np.where(tried > best[asked], tried, best[asked])
        below = self.network.numbers.below
        return below(linear, np.concatenate([offset] * ways)), arrived, below(best, offset)

    def _ways(self, table: Table) -> list[Walk]:
        """Back to the input with the usual lines and, where the recipe says so, with zero below every ReLU."""
        usual = Walk(table, table.lines, frozenset(self.network.rules) if self.level else frozenset())
        lines = {}
        for name, rule in self.network.rules.items() if self.grounded else ():
            if isinstance(rule, Rectifier):
                (source,) = self.network.graph.by_name[name].inputs
                lines[name] = between(rule, table.lower[source], table.upper[source], {})
        return [usual, replace(usual, lines={**table.lines, **lines})] if lines else [usual]

    def _direct(self, table: Table, rows: Array) -> Array:
        """Rows that are a multiple of one entry, from its interval, `(S, B)`: nothing is rounded where the product is
        exact."""
        numbers, output = self.network.numbers, self.network.graph.output
        end = np.where(rows > 0, table.lower[output], table.upper[output])
        exact = (rows == 0) | (abs(rows) == 1) | (end == 0) | (abs(end) == 1)
        value = np.where(rows != 0, rows * end, numbers.zeros((1,))).sum(2)
        alone = ((rows != 0).sum(2) == 1) & (exact.all(2) | numbers.exact) & numbers.finite(value)
        return np.where(alone, value, -np.inf)

    @cached_property
    def orders(self) -> Mapping[str, Array]:
        """Entries of the nodes that rows bound, neighbours near each other."""
        return {node.name: near(node.shape) for node in self.network.graph.nodes if node.name in self.tightened}

    @cached_property
    def widest(self) -> int:
        """Entries of the largest node."""
        return max(size(node.shape) for node in self.network.graph.nodes)

    @property
    def most(self) -> int:
        """How many boxes can be bounded at once."""
        symbols = max(self.symbols.values(), default=0)
        return max(1, ENTRIES // (self.widest * (1 + symbols)))
