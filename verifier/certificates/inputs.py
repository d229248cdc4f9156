"""Trees of boxes: each is bounded, clipped by what its bounds prove, and cut.

A certificate says only where to cut and which boxes to bound. What a bound closes, and what it allows to clip, is
computed here, so that neither can be claimed: rows of a clause that is still open are at least
`bound + |coefficient_i| * t_i`, `t_i` from the end where they are least, and can only be broken where that is not
positive (Clip-and-Verify, 2025). Intervals of a box's nodes hold in its parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier.certificates.affine import size
from verifier.certificates.bounds import Recipe
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array
from verifier.certificates.table import Table
from verifier.certificates.tree import read


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of `B` questions: `rows (S, B, m)`, `offset (S, B)`, and `clause`, `closed (S,)`."""

    rows: Array
    offset: Array
    clause: Array
    closed: Array


@dataclass(frozen=True, eq=False)
class Boxes:
    """`N` boxes `low`, `high (N, n)`, each of a `node` of the tree and a question `owner`; of `K` clauses `open (N, K)`
    are to be proved; `known` are intervals `(N, *)` of nodes of the network."""

    node: Array
    owner: Array
    low: Array
    high: Array
    open: Array
    known: Mapping[str, tuple[Array, Array]]

    def __getitem__(self, index: Array | slice) -> "Boxes":
        known = {name: (low[index], high[index]) for name, (low, high) in self.known.items()}
        low, high = self.low[index], self.high[index]
        return Boxes(self.node[index], self.owner[index], low, high, self.open[index], known)


def joined(parts: Sequence[Boxes]) -> Boxes:
    """All of them, behind each other."""

    def of(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    known = {
        name: (np.concatenate([p.known[name][0] for p in parts]), np.concatenate([p.known[name][1] for p in parts]))
        for name in parts[0].known
    }
    return Boxes(of("node"), of("owner"), of("low"), of("high"), of("open"), known)


class Forest:
    """The trees of `B` questions."""

    def __init__(self, recipe: Recipe, value: Reader, questions: int, inputs: int, asked: Asked) -> None:
        self.recipe, self.numbers, self.asked = recipe, recipe.network.numbers, asked
        self.tree = read(value["tree"], questions, inputs)
        self.bounded = value["bounded"].array("b", len(self.tree.place))
        self.number = np.cumsum(self.bounded) - 1  # of a bounded box in the recipe
        graph = recipe.network.graph
        self.passed = {graph.by_name[name].inputs[0] for name in recipe.network.rules}

    def unproved(self, lower: Array, upper: Array) -> list[tuple[int, Array, Array]]:
        """Leaves without a proof, of the questions' boxes `(B, n)`: the question and what is left of the leaf."""
        count, failed = len(lower), []
        most = self.recipe.most
        clauses = np.ones((count, int(self.asked.clause.max()) + 1), dtype=bool)
        waiting = [Boxes(np.arange(count), np.arange(count), lower, upper, clauses, self._nothing(count))]
        while waiting:
            taken = [waiting.pop()]  # depth first, but many at once
            while waiting and sum(len(boxes.node) for boxes in taken) < most:
                taken.append(waiting.pop())
            boxes = joined(taken)
            if len(boxes.node) > most:
                waiting.append(boxes[most:])
                boxes = boxes[:most]
            bounded: Array = self.bounded[boxes.node]
            for part in (self._bound(boxes[bounded]) if bounded.any() else None, boxes[~bounded]):
                if part is None or not len(part.node):
                    continue
                part = part[np.flatnonzero(part.open.any(1) & (part.low <= part.high).all(1))]
                leaf = self.tree.place[part.node] < 0
                left = part[leaf]
                failed += [(int(left.owner[i]), left.low[i], left.high[i]) for i in range(len(left.node))]
                waiting += self._halves(part[~leaf])
        return failed

    def _nothing(self, count: int) -> Mapping[str, tuple[Array, Array]]:
        """Intervals that say nothing."""
        graph = self.recipe.network.graph
        wide = {name: self._anything((count, size(graph.by_name[name].shape))) for name in self.passed}
        return {name: (-x, x) for name, x in wide.items()}

    def _anything(self, shape: tuple[int, ...]) -> Array:
        """Infinity, which fractions can be compared with as well: any number instead would be a claim."""
        return np.full(shape, np.inf, dtype=object if self.numbers.exact else np.float64)

    def _halves(self, boxes: Boxes) -> list[Boxes]:
        """Both children of each box."""
        if not len(boxes.node):
            return []
        at, axis = np.arange(len(boxes.node)), self.tree.place[boxes.node]
        point = self.numbers.array(self.tree.point[boxes.node])
        low, high = boxes.low.copy(), boxes.high.copy()
        high[at, axis] = np.minimum(high[at, axis], point)
        low[at, axis] = np.maximum(low[at, axis], point)
        left = replace(boxes, node=self.tree.at_most[boxes.node], high=high)
        return [replace(boxes, node=self.tree.at_least[boxes.node], low=low), left]

    def _bound(self, boxes: Boxes) -> Boxes:
        """The boxes clipped, without the clauses that hold there."""
        rows, offset = self.asked.rows[:, boxes.owner], self.asked.offset[:, boxes.owner]
        table = self.recipe.table(boxes.low, boxes.high, self.number[boxes.node], boxes.known)
        linear, slope, best = self.recipe.bounded(table, rows, offset)
        holds = (best > 0) | (self.asked.closed[:, None] & (best >= 0))
        clauses = range(boxes.open.shape[1])
        closed = np.stack([holds[self.asked.clause == k].any(0) for k in clauses], axis=1)
        boxes = replace(boxes, open=boxes.open & ~closed, known=self._passed(table))
        return boxes if slope is None else self._clipped(boxes, linear, slope)

    def _passed(self, table: Table) -> Mapping[str, tuple[Array, Array]]:
        return {name: (table.lower[name], table.upper[name]) for name in self.passed}

    def _clipped(self, boxes: Boxes, bound: Array, slope: Array) -> Boxes:
        """Without what no open clause can be broken in: for that all of its rows must be."""
        low, high, room = boxes.low, boxes.high, self._room(bound, slope)
        clause = np.tile(self.asked.clause, len(bound) // len(self.asked.clause))
        highest = np.where(slope > 0, np.minimum(self.numbers.up(low + room), high), high)
        lowest = np.where(slope < 0, np.maximum(-self.numbers.up(room - high), low), low)
        new_low, new_high = high, low  # without an open clause nothing is left
        for k in range(boxes.open.shape[1]):
            mine, keep = clause == k, boxes.open[:, k, None]
            new_low = np.where(keep, np.minimum(new_low, lowest[mine].max(0)), new_low)
            new_high = np.where(keep, np.maximum(new_high, highest[mine].min(0)), new_high)
        return replace(boxes, low=new_low, high=new_high)

    def _room(self, bound: Array, slope: Array) -> Array:
        """How far from its least end each row may be broken: `(S, B, n)`; as far as anything where it can't tell."""
        short = np.maximum(-bound, 0)[..., None]
        told = (abs(slope) > 0) & self.numbers.finite(short) & self.numbers.finite(slope)
        room = self.numbers.up(self.numbers.divide(np.where(told, short, 0), np.where(told, abs(slope), 1)))
        return np.where(told, room, np.inf)
