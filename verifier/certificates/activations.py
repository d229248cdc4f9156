"""Trees of cuts of activations: every leaf is bounded, or found to hold nothing that breaks its row."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from verifier.certificates.dual import Bound, Duals, Parts, Site
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array, chunks
from verifier.certificates.refined import Refined
from verifier.certificates.table import Table
from verifier.certificates.tree import Tree, read


class Leaves:
    """The leaves of trees about `clauses` of rows at the node `start`; `duals` are proposed for those that bounds
    close."""

    def __init__(self, table: Table, value: Reader, start: str, clauses: int) -> None:
        self.table, self.value, self.start = table, value, start
        self.clauses = value["clauses"].array("i", -1)
        if ((self.clauses < 0) | (self.clauses >= clauses)).any() or len(set(self.clauses.tolist())) < len(
            self.clauses
        ):
            raise value.wrong("its roots are no clauses")
        self.sites = self._sites(value["sites"])
        count = sum(len(site.entries) for site in self.sites)
        self.tree: Tree = read(value["tree"], len(self.clauses), count)
        self.leaf = np.flatnonzero(self.tree.place < 0)
        self.duals = Duals.read(value["leaves"], self.sites, len(self.tree.place))
        if not np.isin(self.duals.node, self.leaf).all():
            raise value.wrong("a node with a proof is no leaf of the tree")

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
        members = self._members(clause)
        parts = self.parts(rows[members], offset[members])
        refined = Refined(self.value, parts)
        bad = [self._without(refined)]
        bounds = [np.full(len(bad[0]), -np.inf)]
        for duals, bound in self._bounded(self.duals, parts, refined):
            strict = (closed[members[parts.cuts(duals.node)[3]]] & (duals.weight > 0)).any(1)
            enough = (bound.least > 0) | ((bound.least >= 0) & strict) | bound.empty
            bad.append(duals.node[~enough])
            bounds.append(bound.least[~enough])
        place, _, _, root = parts.cuts(np.concatenate(bad))
        failed = zip(self.clauses[root], (place >= 0).sum(1), np.concatenate(bounds), strict=True)
        return [(int(clause), int(depth), float(bound)) for clause, depth, bound in failed]

    def least(self, rows: Array) -> Array:
        """What all leaves of a clause together prove of its only row, `rows (C, m)`: it is at least `(C,)` in the box.
        A leaf for which nothing is proposed proves nothing. Weights would make multiples of rows, and do not count.
        """
        zeros = self.table.network.numbers.zeros
        asked = rows[self.clauses][:, None]
        parts = self.parts(asked, zeros(asked.shape[:2]))
        proved = np.full(len(self.tree.place), -np.inf, dtype=zeros((1,)).dtype)
        single = replace(self.duals, weight=np.ones((len(self.duals.node), 1)))
        for duals, bound in self._bounded(single, parts, None):
            proved[duals.node] = np.where(bound.empty, np.inf, bound.least)
        found = np.full(len(rows), -np.inf, dtype=proved.dtype)
        found[self.clauses] = np.inf
        np.minimum.at(found, self.clauses[parts.cuts(self.leaf)[3]], proved[self.leaf])
        return found

    def _bounded(self, duals: Duals, parts: Parts, refined: Refined | None) -> Iterator[tuple[Duals, Bound]]:
        """Bounds of what duals are proposed for, part by part."""
        for part in chunks(len(duals.node), 2 * parts.width):
            owner = None if refined is None else refined.owner[duals.node[part]]
            yield duals[part], parts.bound(duals[part], refined, owner)

    def parts(self, rows: Array, offset: Array) -> Parts:
        """The nodes of the trees, those below root `k` about `rows (K, R, m)` at `k`."""
        parent, side = self.tree.parents()
        return Parts(self.table, self.sites, self.tree, parent, side, self.start, rows, offset)

    def _members(self, clause: Array) -> Array:
        """The rows `(K, R)` of each root's clause; clauses with fewer rows repeat their first."""
        groups = [np.flatnonzero(clause == k) for k in range(int(clause.max()) + 1)]
        most = max(map(len, groups))
        return np.array([np.r_[g, np.repeat(g[:1], most - len(g))] for g in groups])[self.clauses]

    def _without(self, refined: Refined) -> Array:
        """Leaves that nothing is proposed for, and that are not empty either."""
        rest = np.setdiff1d(self.leaf, self.duals.node)
        owner = refined.owner[rest]
        closed = np.zeros(len(rest), dtype=bool)
        closed[owner >= 0] = refined.empty[owner[owner >= 0]]
        return rest[~closed]
