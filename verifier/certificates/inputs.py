"""Trees of boxes: each is bounded, clipped by what its bounds prove, and cut.

A certificate says only where to cut and which boxes to bound. What a bound closes, and what it allows to clip, is
computed here, so that neither can be claimed: rows of a clause that is still open are at least
`bound + |coefficient_i| * t_i`, `t_i` from the end where they are least, and can only be broken where that is not
positive (Clip-and-Verify, 2025).
"""

import numpy as np

from verifier.certificates.bounds import ENTRIES, Recipe
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array
from verifier.certificates.tree import read


class Boxes:
    """The tree of `B` questions."""

    def __init__(self, recipe: Recipe, value: Reader, questions: int, inputs: int) -> None:
        self.recipe, self.numbers = recipe, recipe.network.numbers
        self.tree = read(value["tree"], questions, inputs)
        count = len(self.tree.place)
        self.bounded = value["bounded"].array("b", count)
        self.number = np.cumsum(self.bounded) - 1  # of a bounded box in the recipe

    def unproved(
        self, lower: Array, upper: Array, rows: Array, offset: Array, clause: Array, closed: Array
    ) -> list[tuple[int, Array, Array]]:
        """Leaves without a proof: the question and the box. `lower (B, n)`, `rows (S, B, m)`."""
        tree, count = self.tree, len(lower)
        clauses = int(clause.max()) + 1
        failed = []
        width = rows.shape[0] * max(x.shape[-1] for x in (lower, rows)) + self.recipe._widest() * 8
        size = max(1, 4 * ENTRIES // (width * max(1, len(rows))))
        waiting = [(np.arange(count), np.arange(count), lower, upper, np.ones((count, clauses), dtype=bool))]
        while waiting:
            node, owner, low, high, open_ = waiting.pop()
            if len(node) > size:
                waiting += [
                    tuple(x[part] for x in (node, owner, low, high, open_)) for part in (slice(size, None), slice(size))
                ]  # type: ignore[misc]
                continue
            low, high, open_ = low.copy(), high.copy(), open_.copy()
            some = np.flatnonzero(self.bounded[node])
            if len(some):
                asked = owner[some]
                low[some], high[some], open_[some] = self._bound(
                    node[some], low[some], high[some], open_[some], rows[:, asked], offset[:, asked], clause, closed
                )
            left = np.flatnonzero(open_.any(1) & (low <= high).all(1))
            node, owner, low, high, open_ = (x[left] for x in (node, owner, low, high, open_))
            leaf = tree.place[node] < 0
            failed += [(int(owner[i]), low[i], high[i]) for i in np.flatnonzero(leaf)]
            keep = np.flatnonzero(~leaf)
            if len(keep):
                waiting.append(self._halves(*(x[keep] for x in (node, owner, low, high, open_))))
        return failed

    def _halves(self, node: Array, owner: Array, low: Array, high: Array, open_: Array) -> tuple[Array, ...]:
        """Both children of each box."""
        at, axis = np.arange(len(node)), self.tree.place[node]
        point = self.numbers.array(self.tree.point[node])
        left, right = high.copy(), low.copy()
        left[at, axis] = np.minimum(high[at, axis], point)
        right[at, axis] = np.maximum(low[at, axis], point)
        pairs = (
            (self.tree.at_most[node], self.tree.at_least[node]),
            (owner, owner),
            (low, right),
            (left, high),
            (open_, open_),
        )
        return tuple(np.concatenate(pair) for pair in pairs)

    def _bound(
        self,
        node: Array,
        low: Array,
        high: Array,
        open_: Array,
        rows: Array,
        offset: Array,
        clause: Array,
        closed: Array,
    ) -> tuple[Array, Array, Array]:
        """The boxes, clipped, and the clauses still open there."""
        table = self.recipe.table(low, high, self.number[node])
        linear, slope, best = self.recipe.bounded(table, rows, offset)
        holds = (best > 0) | (closed[:, None] & (best >= 0))
        for k in range(open_.shape[1]):
            open_[:, k] &= ~holds[clause == k].any(0)
        if slope is None:
            return low, high, open_
        room = self._room(linear, slope)
        ends = self.numbers.up(low + room), -self.numbers.up(room - high)
        highest = np.where(slope > 0, np.minimum(ends[0], high), high)
        lowest = np.where(slope < 0, np.maximum(ends[1], low), low)
        new_low, new_high = high, low  # of no open clause nothing is left
        for k in range(open_.shape[1]):
            mine, keep = clause == k, open_[:, k, None]
            new_low = np.where(keep, np.minimum(new_low, lowest[mine].max(0)), new_low)
            new_high = np.where(keep, np.maximum(new_high, highest[mine].min(0)), new_high)
        return new_low, new_high, open_

    def _room(self, bound: Array, slope: Array) -> Array:
        """How far from its least end each row may be broken: `(S, B, n)`; as far as anything where it can't tell."""
        short = np.maximum(-bound, 0)[..., None]
        told = (abs(slope) > 0) & self.numbers.finite(short)
        room = self.numbers.up(self.numbers.divide(np.where(told, short, 0), np.where(told, abs(slope), 1)))
        return np.where(told, room, self.numbers.array(np.array(1e300)))
