"""Trees of cuts of activations: every leaf is bounded, with multipliers for the cuts above it (Wang et al. 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.certificates.bounds import between, chunks
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rules import Lines
from verifier.certificates.tree import Tree, read
from verifier.certificates.walk import Table, Walk


@dataclass(frozen=True, eq=False)
class Site:
    """Entries of a node that can be cut; they count from `first` over all sites."""

    name: str
    entries: Array
    first: int
    readers: Sequence[str]


class Leaves:
    """The leaves of one question, and the dual variables that a certificate proposes for them."""

    def __init__(self, table: Table, value: Reader, clauses: int) -> None:
        self.table, self.numbers = table, table.network.numbers
        self.clauses = value["clauses"].array("i", -1)
        if ((self.clauses < 0) | (self.clauses >= clauses)).any() or len(set(self.clauses.tolist())) < len(
            self.clauses
        ):
            raise value.wrong("its roots are no clauses")
        self.sites = self._sites(value["sites"])
        count = sum(len(site.entries) for site in self.sites)
        self.tree: Tree = read(value["tree"], len(self.clauses), count)
        self.parent, self.side = self.tree.parents()
        self.leaf = value["leaf"].array("i", -1)
        if not np.array_equal(np.sort(self.leaf), np.flatnonzero(self.tree.place < 0)):
            raise value.wrong("the leaves with a proof are not the leaves of the tree")
        self.beta = value["beta"].array("f", len(self.leaf), -1)
        self.weight = value["weight"].array("f", len(self.leaf), -1)
        if (self.beta < 0).any() or (self.weight < 0).any():
            raise value.wrong("a multiplier is negative")
        self.shares = {
            site.name: {
                reader: {
                    side: x.array("u", len(self.leaf), len(site.entries))
                    for side, x in (value["shares"][reader].items() if reader in value["shares"] else ())
                }
                for reader in site.readers
            }
            for site in self.sites
        }

    def _sites(self, value: Reader) -> list[Site]:
        sites: list[Site] = []
        first, graph = 0, self.table.network.graph
        for part in value.list():
            name, entries = part["name"].text(), part["entries"].array("i", -1)
            size = self.table.lower[name].shape[1] if name in self.table.lower else 0
            if ((entries < 0) | (entries >= size)).any() or len(set(entries.tolist())) < len(entries):
                raise part.wrong(f"there are no such entries of {name}")
            if any(site.name == name for site in sites):  # else one would hide the other's multipliers
                raise part.wrong(f"{name} is named twice")
            readers = [n.name for n in graph.nodes if name in n.inputs and n.name in self.table.network.rules]
            sites.append(Site(name, entries, first, readers))
            first += len(entries)
        return sites

    def unproved(self, rows: Array, offset: Array, clause: Array, closed: Array) -> list[tuple[int, int, float]]:
        """The leaves without a proof, as their clause, their depth and their bound. Rows are `(S, m)`."""
        groups = [np.flatnonzero(clause == k) for k in range(int(clause.max()) + 1)]
        most = max(map(len, groups))
        members = np.array([np.r_[g, np.repeat(g[:1], most - len(g))] for g in groups])
        if most == 1:
            self.weight = np.ones((len(self.leaf), 1))
        if self.weight.shape[1] != most:
            return [(0, 0, float("nan"))]
        failed = []
        width = sum(x.shape[1] for x in self.table.lower.values())
        for part in chunks(len(self.leaf), 2 * width):
            place, side, point, root = self._cuts(self.leaf[part])
            mine = members[self.clauses[root]]
            bound, empty = self._bounds(part, place, side, point, rows[mine], offset[mine])
            enough = (bound > 0) | ((bound >= 0) & (closed[mine] & (self.weight[part] > 0)).any(1)) | empty
            bad = np.flatnonzero(~enough)
            failed += [(int(self.clauses[root[i]]), int((place[i] >= 0).sum()), float(bound[i])) for i in bad]
        return failed

    def _cuts(self, leaf: Array) -> tuple[Array, Array, Array, Array]:
        """Place, side and point of the cuts above leaves, `(N, D)` each from the root down, and the leaves' roots."""
        paths, at = [], leaf
        while (self.parent[at] >= 0).any():
            up = self.parent[at]
            paths.append((np.where(up >= 0, self.tree.place[up], -1), self.side[at], self.tree.point[up]))
            at = np.where(up >= 0, up, at)
        depth = np.zeros(len(leaf), dtype=np.int64)
        for place, _, _ in paths:
            depth += place >= 0
        shape = (len(leaf), len(paths))
        found = np.full(shape, -1), np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for step, values in enumerate(paths):
            deep = np.flatnonzero(depth > step)
            for array, value in zip(found, values, strict=True):
                array[deep, depth[deep] - 1 - step] = value[deep]
        return *found, at

    def _bounds(
        self, part: slice, place: Array, side: Array, point: Array, rows: Array, offset: Array
    ) -> tuple[Array, Array]:
        """Lower bounds of the leaves' weighted rows `(N, R, m)`, and which leaves are empty."""
        numbers: Numbers = self.numbers
        count = len(place)
        beta = np.zeros(place.shape)
        known = min(place.shape[1], self.beta.shape[1])
        beta[:, :known] = self.beta[part, :known]
        force, at = numbers.array(np.where(place >= 0, beta * side, 0.0)), numbers.array(point)
        lines: dict[str, Lines] = {}
        pulls: dict[str, Array] = {}
        empty, pulled = np.zeros(count, dtype=bool), numbers.zeros((count,))
        for site in self.sites:
            mine = (place >= site.first) & (place < site.first + len(site.entries))
            where, column = np.nonzero(mine)
            entry = site.entries[place[where, column] - site.first]
            lower, upper = (np.repeat(x[site.name], count, 0) for x in (self.table.lower, self.table.upper))
            for end, sign, keep in ((lower, 1, np.maximum), (upper, -1, np.minimum)):
                cut = side[where, column] == sign
                keep.at(end, (where[cut], entry[cut]), at[where[cut], column[cut]])
            if len(where):
                pull = numbers.zeros(lower.shape)
                np.subtract.at(pull, (where, entry), force[where, column])
                pulls[site.name] = pull[None]
                reach = self.table.magnitude(site.name)[0]
                np.add.at(pulled, where, abs(force[where, column]) * (abs(at[where, column]) + reach[entry]))
            crossed = lower > upper
            empty |= crossed.any(1)
            lines |= self._lines(site, part, np.where(crossed, upper, lower), upper)
        weight = numbers.array(self.weight[part])
        row = (weight[..., None] * rows).sum(1)
        bound = Walk(self.table, {**self.table.lines, **lines}, pulls=pulls).bound(
            self.table.network.graph.output, row[None]
        )[0][0]
        total = bound + (weight * offset).sum(1) + (force * at).sum(1)
        reach = self.table.magnitude(self.table.network.graph.output)
        sums = pulled + (weight * abs(offset)).sum(1) + abs(bound)
        sums = sums + ((weight[..., None] * abs(rows)).sum(1) * reach).sum(1)
        gamma = numbers.gamma(reach.shape[1] + rows.shape[1] + place.shape[1])
        return total - gamma * sums - numbers.tiny, empty

    def _lines(self, site: Site, part: slice, lower: Array, upper: Array) -> dict[str, Lines]:
        """Those of the nodes that read a site, over the leaves' intervals `(N, n)`."""
        found = {}
        for reader in site.readers:
            sides = {}
            for side, share in self.shares[site.name][reader].items():
                sides[side] = self.numbers.zeros(lower.shape)
                sides[side][:, site.entries] = self.numbers.shares(share[part])
            found[reader] = between(self.table.network.rules[reader], lower, upper, sides)
        return found
