"""Tighter intervals in nodes of a tree: where the node's own row can still be broken.

There the row's linear bound `g`, multipliers of cuts included, is at most zero. So an entry that is at least `a(x)` is
at least `a(x) + t g(x)` too, for any `t >= 0`, and so at least the least value of that over the box (Zhou et al. 2025).
A certificate proposes `t` and claims ends; a claim counts as far as it is computed here, and in the node that proves it
and below: there the clause, and so what breaking it means, is the same.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from verifier.certificates.dual import Duals, Parts
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array, chunks
from verifier.certificates.table import Table
from verifier.certificates.walk import Walk

BLOCK = 2**16  # numbers that one step holds: they stay in a cache


@dataclass(frozen=True, eq=False)
class Forms:
    """`M` functions of the inputs' shares in [-1, 1] of their radii, at least `center + slope @ share`: `center (M,)`,
    `slope (M, n)`, and `size (M,)`, the sum of the slopes' absolute values."""

    center: Array
    size: Array
    slope: Array

    @classmethod
    def of(cls, table: Table, least: Array, coefficient: Array | None) -> Self:
        """From least values `(M,)` over the box and coefficients `(M, n)`."""
        numbers, name = table.network.numbers, table.network.graph.input.name
        width = (table.upper[name] - table.lower[name])[0]
        vary = np.flatnonzero(width)
        a = numbers.zeros((len(least), len(vary))) if coefficient is None else coefficient[:, vary]
        slope = a * width[vary] / 2
        size = abs(slope).sum(1) + numbers.zeros(least.shape)
        lost = numbers.gamma(len(vary)) * (abs(least) + 2 * size) + numbers.tiny
        return cls(least + size - lost, size, slope)

    @classmethod
    def joined(cls, parts: "list[Forms]") -> "Forms":
        return Forms(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("center", "size", "slope")))


class Refined:
    """`N` nodes of a tree with `E` claims: node by node, `count (N,)` of each. `end (E,)` is what was proved so far, of
    an entry, or `above` of its negative; `empty (N,)` are nodes in which nothing breaks the row."""

    def __init__(self, search: Reader, parts: Parts) -> None:
        self.parts, self.numbers = parts, parts.table.network.numbers
        self.owner = np.full(len(parts.tree.place), -1)
        self.empty = np.zeros(0, dtype=bool)
        if "refined" in search:
            self._read(search["refined"])
            self._prove()

    def _read(self, value: Reader) -> None:
        places = sum(len(site.entries) for site in self.parts.sites)
        self.duals = Duals.read(value, self.parts.sites, len(self.parts.tree.place))
        self.count = value["count"].array("i", len(self.duals.node))
        self.place = value["place"].array("i", -1)
        self.above = value["above"].array("b", len(self.place))
        self.claim = value["end"].array("f", len(self.place))
        tried, which = value["tried"].array("f", len(self.count), -1), value["which"].array("u", len(self.place))
        if (self.count < 0).any() or self.count.sum() != len(self.place):
            raise value.wrong("the nodes' numbers of claims are not those of all claims")
        if ((self.place < 0) | (self.place >= places)).any() or (which >= tried.shape[1]).any() or (tried < 0).any():
            raise value.wrong("a claim is about no entry, or its multiplier is missing or negative")
        self.first = np.cumsum(self.count) - self.count
        self.multiplier = tried[np.repeat(np.arange(len(self.count)), self.count), which]
        self.up = self._ancestors(self.duals.node)

    def _ancestors(self, node: Array) -> Array:
        """Of each refined node the next one above it, -1 where there is none; `owner` of every node, itself included,
        on the way. Children come after their parents."""
        own = np.full(len(self.owner), -1)
        own[node] = np.arange(len(node))
        owner, up = own.tolist(), np.full(len(node), -1)
        for at, (mine, parent) in enumerate(zip(own.tolist(), self.parts.parent.tolist(), strict=True)):
            inherited = owner[parent] if parent >= 0 else -1
            if mine >= 0:
                up[mine] = inherited
            else:
                owner[at] = inherited
        self.owner = np.array(owner)
        return up

    def tighten(self, owner: Array, lower: Array, upper: Array) -> None:
        """Write into the intervals `(N, P)` what was proved in the refined nodes `owner (N,)` and above them."""
        row = np.flatnonzero(owner >= 0)
        while len(row):
            refined = owner[row]
            self._apply(self._claims(refined), np.repeat(row, self.count[refined]), self.end, lower, upper)
            owner = np.where(owner >= 0, self.up[owner], -1)
            row = np.flatnonzero(owner >= 0)

    def _claims(self, refined: Array) -> Array:
        """The places of their claims, behind each other."""
        count = self.count[refined]
        before = np.cumsum(count) - count
        return np.arange(count.sum()) + np.repeat(self.first[refined] - before, count)

    def _apply(self, claims: Array, row: Array, ends: Array, lower: Array, upper: Array) -> None:
        place, above, end = self.place[claims], self.above[claims], ends[claims]
        flat = row * lower.shape[1] + place
        np.maximum.at(lower.reshape(-1), flat[~above], end[~above])
        np.minimum.at(upper.reshape(-1), flat[above], -end[above])

    def _prove(self) -> None:
        """Nodes after those above them. What is not proved yet says nothing."""
        claim = self.numbers.array(np.where(self.above, -self.claim, self.claim))
        self.end = np.full(len(claim), -np.inf, dtype=claim.dtype)
        self.empty = np.zeros(len(self.count), dtype=bool)
        level = np.zeros(len(self.up), dtype=np.int64)
        for mine in np.argsort(self.duals.node, kind="stable").tolist():
            level[mine] = level[self.up[mine]] + 1 if self.up[mine] >= 0 else 0
        key, form = np.unique(self.place * 2 + self.above, return_inverse=True)
        forms = self._forms(key // 2, key % 2 == 1)
        for depth in range(int(level.max(initial=-1)) + 1):
            index = np.flatnonzero(level == depth)
            for part in chunks(len(index), 2 * self.parts.width):
                self._node(index[part], forms, form.reshape(-1), claim)

    def _node(self, index: Array, forms: Forms, form: Array, claim: Array) -> None:
        """Prove the claims of the refined nodes `index (N,)` within the intervals known above them."""
        bound = self.parts.bound(self.duals[index], self, self.up[index])
        rows = Forms.of(self.parts.table, bound.least, bound.slope)
        claims, row = self._claims(index), np.repeat(np.arange(len(index)), self.count[index])
        least = np.full(len(claim), -np.inf, dtype=claim.dtype)
        least[claims] = self._where(forms, form[claims], rows, row, self.numbers.array(self.multiplier[claims]))
        self._apply(claims, row, least, bound.lower, bound.upper)
        self.end[claims] = np.minimum(claim[claims], least[claims])
        above = np.where(self.up[index] >= 0, self.empty[self.up[index]], False)
        self.empty[index] = (bound.lower > bound.upper).any(1) | above

    def _where(self, forms: Forms, form: Array, rows: Forms, row: Array, multiplier: Array) -> Array:
        """Least values `(E,)` of `forms[form]` where `rows[row]` is at most zero."""
        numbers, n = self.numbers, forms.slope.shape[1]
        center, size = forms.center[form], forms.size[form]
        t = multiplier * numbers.divide(size, rows.size[row])
        reach = numbers.zeros((len(form),))
        step = max(1, BLOCK // max(n, 1))
        for one in np.unique(row).tolist():
            first, last = np.searchsorted(row, [one, one + 1])
            for at in range(first, last, step):
                part = slice(at, min(at + step, last))
                terms = forms.slope[form[part]]
                terms += t[part, None] * rows.slope[one]
                reach[part] = np.abs(terms, out=terms).sum(1)
        total = center + t * rows.center[row] - reach
        terms = abs(center) + 2 * size + t * (abs(rows.center[row]) + 2 * rows.size[row])
        least = total - numbers.gamma(n) * terms - numbers.tiny
        return np.where(numbers.finite(least), least, -np.inf)

    def _forms(self, place: Array, above: Array) -> Forms:
        """Of entries, or of their negatives where `above`, from the intervals of the whole box. Places are sorted."""
        table = self.parts.table
        widest = max(x.shape[1] for x in table.lower.values())
        found = [Forms.of(table, self.numbers.zeros((0,)), None)]
        for site in self.parts.sites:
            mine = np.flatnonzero((place >= site.span.start) & (place < site.span.stop))
            for part in chunks(len(mine), 2 * widest):
                at, count = mine[part], len(mine[part])
                rows = self.numbers.zeros((count, 1, table.lower[site.name].shape[1]))
                rows[np.arange(count), 0, site.entries[place[at] - site.first]] = np.where(above[at], -1, 1)
                least, slope = Walk(table, table.lines).bound(site.name, rows)
                found.append(Forms.of(table, least[:, 0], None if slope is None else slope[:, 0]))
        return Forms.joined(found)
