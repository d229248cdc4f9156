"""Bounds of what the nodes of a tree hold, with multipliers for the cuts above them (Wang et al. 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from verifier.certificates.bounds import between
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array
from verifier.certificates.rule import Lines
from verifier.certificates.table import Table
from verifier.certificates.tree import Tree
from verifier.certificates.walk import Walk


@dataclass(frozen=True, eq=False)
class Site:
    """Entries of a node that can be cut; they count from `first` over all sites."""

    name: str
    entries: Array
    first: int
    readers: Sequence[str]

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + len(self.entries))


@dataclass(frozen=True, eq=False)
class Duals:
    """What a certificate proposes for `N` nodes of a tree: multipliers of cuts `beta (N, D)`, weights of rows `(N, R)`,
    and for each nonlinear node and side, bytes `(N, n)`: slopes as shares of their range."""

    node: Array
    beta: Array
    weight: Array
    shares: Mapping[str, Mapping[str, Array]]

    @classmethod
    def read(cls, value: Reader, sites: Sequence[Site], nodes: int) -> Self:
        node = value["node"].array("i", -1)
        if ((node < 0) | (node >= nodes)).any() or len(np.unique(node)) < len(node):
            raise value.wrong("its nodes are not nodes of the tree, or some are named twice")
        beta, weight = (value[name].array("f", len(node), -1) for name in ("beta", "weight"))
        if (beta < 0).any() or (weight < 0).any():
            raise value.wrong("a multiplier is negative")
        shares = {
            reader: {side: x.array("u", len(node), len(site.entries)) for side, x in value["shares"][reader].items()}
            for site in sites
            for reader in site.readers
            if reader in value["shares"]
        }
        return cls(node, beta, weight, shares)

    def __getitem__(self, part: Array | slice) -> Self:
        shares = {name: {side: x[part] for side, x in sides.items()} for name, sides in self.shares.items()}
        return type(self)(self.node[part], self.beta[part], self.weight[part], shares)


class Known(Protocol):
    """More about intervals in nodes of the tree than the cuts say."""

    def tighten(self, owner: Array, lower: Array, upper: Array) -> None:
        """Write into the intervals `(N, P)` what is known below `owner (N,)`."""


@dataclass(frozen=True, eq=False)
class Bound:
    """Of `N` nodes: their weighted row from below, and its coefficients at the input `(N, n)`; the entries' intervals
    `(N, P)`; and whether some interval is empty."""

    least: Array
    slope: Array | None
    lower: Array
    upper: Array
    empty: Array


@dataclass(frozen=True, eq=False)
class Parts:
    """The nodes of one question's trees. Those below root `k` are about the rows `(K, R, m)`, at the network's node
    `start`, and offsets `(K, R)` at `k`."""

    table: Table
    sites: Sequence[Site]
    tree: Tree
    parent: Array
    side: Array
    start: str
    rows: Array
    offset: Array

    @property
    def width(self) -> int:
        """Entries of all nodes of the network."""
        return sum(x.shape[1] for x in self.table.lower.values())

    def cuts(self, node: Array) -> tuple[Array, Array, Array, Array]:
        """Place, side and point of the cuts above nodes, `(N, D)` each from the root down, and the nodes' roots."""
        paths, at = [], node
        while (self.parent[at] >= 0).any():
            up = self.parent[at]
            paths.append((np.where(up >= 0, self.tree.place[up], -1), self.side[at], self.tree.point[up]))
            at = np.where(up >= 0, up, at)
        depth = np.zeros(len(node), dtype=np.int64)
        for place, _, _ in paths:
            depth += place >= 0
        shape = (len(node), len(paths))
        found = np.full(shape, -1), np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for step, values in enumerate(paths):
            deep = np.flatnonzero(depth > step)
            for array, value in zip(found, values, strict=True):
                array[deep, depth[deep] - 1 - step] = value[deep]
        return *found, at

    def bound(self, duals: Duals, known: Known | None = None, owner: Array | None = None) -> Bound:
        """The nodes' rows are at least this; with what is `known`, where they can be broken. `owner (N,)` is what
        `known` calls the nodes."""
        numbers = self.table.network.numbers
        place, side, point, root = self.cuts(duals.node)
        beta, depth = np.zeros(place.shape), min(place.shape[1], duals.beta.shape[1])
        beta[:, :depth] = duals.beta[:, :depth]
        force, at = numbers.array(np.where(place >= 0, beta * side, 0.0)), numbers.array(point)
        lower, upper = self._intervals(place, side, at)
        if known is not None and owner is not None:
            known.tighten(owner, lower, upper)
        crossed: Array = lower > upper
        lines = self._lines(duals, np.where(crossed, upper, lower), upper)
        pulls, pulled = self._pulls(place, force, at)
        weight, rows, offset = numbers.array(duals.weight), self.rows[root], self.offset[root]
        if weight.shape != rows.shape[:2]:
            raise ValueError(f"weights {weight.shape} for rows {rows.shape[:2]}")
        row = (weight[..., None] * rows).sum(1)
        bounds, arrived = Walk(self.table, {**self.table.lines, **lines}, pulls=pulls).bound(self.start, row[None])
        bound = bounds[0]
        total = bound + (weight * offset).sum(1) + (force * at).sum(1)
        reach = self.table.magnitude(self.start)
        sums = pulled + (weight * abs(offset)).sum(1) + abs(bound)
        sums = sums + ((weight[..., None] * abs(rows)).sum(1) * reach).sum(1)
        gamma = numbers.gamma(reach.shape[1] + rows.shape[1] + place.shape[1])
        least = total - gamma * sums - numbers.tiny
        return Bound(least, None if arrived is None else arrived[0], lower, upper, np.asarray(crossed.any(1)))

    def _intervals(self, place: Array, side: Array, at: Array) -> tuple[Array, Array]:
        """Of all entries that can be cut, `(N, P)`, by the cuts."""
        table, none, ends = self.table, self.table.network.numbers.zeros((1, 0)), []
        for proved, sign, keep in ((table.lower, 1, np.maximum), (table.upper, -1, np.minimum)):
            whole = np.concatenate([none, *(proved[site.name][:, site.entries] for site in self.sites)], axis=1)
            end = np.repeat(whole, len(place), 0)
            where, column = np.nonzero((place >= 0) & (side == sign))
            keep.at(end, (where, place[where, column]), at[where, column])
            ends.append(end)
        return ends[0], ends[1]

    def _pulls(self, place: Array, force: Array, at: Array) -> tuple[dict[str, Array], Array]:
        """What the multipliers add to the coefficients of the sites, and the sizes `(N,)` of what they add to rows."""
        numbers, count = self.table.network.numbers, len(place)
        pulls: dict[str, Array] = {}
        pulled = numbers.zeros((count,))
        for site in self.sites:
            where, column = np.nonzero((place >= site.span.start) & (place < site.span.stop))
            if not len(where):
                continue
            entry = site.entries[place[where, column] - site.first]
            pull = numbers.zeros((count, self.table.lower[site.name].shape[1]))
            np.subtract.at(pull, (where, entry), force[where, column])
            pulls[site.name] = pull[None]
            reach = self.table.magnitude(site.name)[0]
            np.add.at(pulled, where, abs(force[where, column]) * (abs(at[where, column]) + reach[entry]))
        return pulls, pulled

    def _lines(self, duals: Duals, lower: Array, upper: Array) -> dict[str, Lines]:
        """Those of the nodes that read a site, over the entries' intervals `(N, P)`."""
        found, numbers = {}, self.table.network.numbers
        for site in self.sites:
            low, high = (np.repeat(x[site.name], len(lower), 0) for x in (self.table.lower, self.table.upper))
            low[:, site.entries], high[:, site.entries] = lower[:, site.span], upper[:, site.span]
            for reader in site.readers:
                sides = {}
                for side, share in duals.shares.get(reader, {}).items():
                    sides[side] = numbers.zeros(low.shape)
                    sides[side][:, site.entries] = numbers.shares(share)
                found[reader] = between(self.table.network.rules[reader], low, high, sides)
        return found
