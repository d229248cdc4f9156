"""The checker's proof: rows moved back to the input (CROWN, Zhang et al. 2018).

Error analysis. Let `A` be the computed coefficients of a row at a node, `R` the node's *reach*: at least the sum of
absolute values of all products that its step meets for a coefficient of 1. Whatever the step computes (transposed
weights, slopes, constants, sums over the node's entries, the sum with what is there already) is then wrong by at most
`gamma(K) * |A| . R` as a function on the region, with `K` above the length of any of these sums. These errors are
added up and subtracted. In fractions `gamma` is zero, and bounds are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from verifier.certificates.crops import Crop
from verifier.certificates.numbers import Array
from verifier.certificates.rule import Lines
from verifier.certificates.rules import Rectifier
from verifier.certificates.table import Table
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input


@dataclass(frozen=True, eq=False)
class Walk:
    """One way back through the network: `lines` of its nonlinear nodes; `stops` are nodes that end it, by their
    interval; `pulls (S, B, n)` are added to the coefficients that arrive at a node."""

    table: Table
    lines: Mapping[str, Lines]
    stops: frozenset[str] = frozenset()
    pulls: Mapping[str, Array] = field(default_factory=dict)

    def bound(self, start: str, rows: Array) -> tuple[Array, Array | None]:
        """Lower bounds `(S, B)` of `rows (S, B, n)` at `start`, and their coefficients at the input, if they got there.

        In a box each row is at least its bound plus `|coefficient| * t`, `t` the distance from the end where the row
        is least.
        """
        numbers = self.table.network.numbers
        zero = numbers.zeros(rows.shape[:2])
        return self._back(start, {start: rows}, zero, zero + numbers.tiny, self.table.network.whole)

    def entries(self, start: str, index: Array, crops: Mapping[str, Crop]) -> Array:
        """Lower bounds `(2S, B)` of the entries `index (S, B)` of a node, then of their negatives: a walk that meets
        `crops`, without stops and pulls. The first step is taken once for each entry, whatever the box and the sign."""
        if self.stops or self.pulls:
            raise ValueError("walks from entries know neither stops nor pulls")
        network, node = self.table.network, self.table.network.graph.by_name[start]
        numbers, boxes = network.numbers, np.arange(index.shape[1])
        which, place = np.unique(index, return_inverse=True)
        place = place.reshape(index.shape)
        one = numbers.zeros((len(which), len(crops[start].index)))
        one[np.arange(len(which)), np.searchsorted(crops[start].index, which)] = 1
        op = network.maps.get(start)
        if op is None:
            zero = numbers.zeros((2 * len(index), index.shape[1]))
            return self._back(start, {start: _signed(one[place])}, zero, zero + numbers.tiny, crops)[0]
        pending: dict[str, Array] = {}
        for name, part in zip(node.inputs, self._parts(node, one, crops), strict=True):
            pending[name] = pending[name] + part if name in pending else part
        offset = numbers.zeros(self.table.lower[start].shape[1:]) if op.offset is None else op.offset
        reach = self.table.reach[start]
        lost = network.gammas[start] * 2 * reach[boxes, index] + numbers.tiny * (2 + reach.sum(-1))
        pending = {name: _signed(part[place]) for name, part in pending.items()}
        return self._back(start, pending, _signed(offset[index]), np.concatenate([lost, lost]), crops)[0]

    def _back(
        self, start: str, pending: dict[str, Array], total: Array, lost: Array, crops: Mapping[str, Crop]
    ) -> tuple[Array, Array | None]:
        """From the coefficients that wait at nodes up to `start` to the input. They are those of the nodes' `crops`."""
        table, network, arrived = self.table, self.table.network, None
        numbers, nodes = network.numbers, network.graph.nodes
        last = [node.name for node in nodes].index(start)
        for node in reversed(nodes[: last + 1]):
            pull = self.pulls.get(node.name)
            if pull is not None:
                pending[node.name] = pending[node.name] + pull if node.name in pending else pull
                lost = lost + network.gammas[node.name] * numbers.dot(
                    abs(pending[node.name]), table.magnitude(node.name)
                )
            if node.name not in pending:
                continue
            a = pending.pop(node.name)
            if node.name in network.shares:
                a, level = self._balanced(node.name, a)
                total = total + level.sum(-1)
                off = numbers.gamma(level.shape[-1]) * abs(level).sum(-1)
                lost = lost + off + network.gammas[node.name] * numbers.dot(abs(a), table.magnitude(node.name))
            constant, reach, parts = self._step(node, a, crops)
            total = total + constant
            lost = lost + network.gammas[node.name] * numbers.dot(abs(a), reach) + numbers.tiny * (1 + reach.sum(-1))
            if isinstance(node.op, Input):
                arrived = a
            for name, part in zip(node.inputs if parts else (), parts, strict=True):
                if name in pending:
                    part = pending[name] + part
                    size = crops[name].cut(table.magnitude(name))
                    lost = lost + network.gammas[name] * numbers.dot(abs(part), size)
                pending[name] = part
        bound = total - lost
        return np.where(numbers.finite(bound), bound, -np.inf), arrived  # after an overflow nothing is known

    def _balanced(self, name: str, a: Array) -> tuple[Array, Array]:
        """Coefficients `(S, B, n)` of shares that sum to one, less a number for each sum, and these numbers: any would
        do, and the median of those that matter leaves least to the shares' lines."""
        group, table = self.table.network.shares[name], self.table
        x, width = (y.reshape(*y.shape[:-1], -1, group) for y in (a, table.upper[name] - table.lower[name]))
        order = np.argsort(x, axis=-1)
        heavy = np.take_along_axis(np.broadcast_to(width, x.shape), order, -1).cumsum(-1)
        place = np.minimum((heavy < heavy[..., -1:] / 2).sum(-1, keepdims=True), group - 1)
        level = np.take_along_axis(x, np.take_along_axis(order, place, -1), -1)
        return (x - level).reshape(a.shape), level[..., 0]

    def _step(self, node: Node, a: Array, crops: Mapping[str, Crop]) -> tuple[Array, Array, tuple[Array, ...]]:
        """What stays behind as a constant, the reach, and the coefficients of the node's arguments."""
        table, numbers, cut = self.table, self.table.network.numbers, crops[node.name].cut
        if isinstance(node.op, Affine) and node.name not in self.stops:
            op = table.network.maps[node.name]
            value = numbers.zeros((1, 1)) if op.offset is None else numbers.dot(a, cut(op.offset)[None])
            return value, cut(table.reach[node.name]), self._parts(node, a, crops)
        down = np.minimum(a, 0)
        if isinstance(node.op, Input) or node.name in self.stops:
            lower, upper = cut(table.lower[node.name]), cut(table.upper[node.name])
            return numbers.dot(a - down, lower) + numbers.dot(down, upper), np.maximum(abs(lower), abs(upper)), ()
        line, group = self.lines[node.name], table.network.rules[node.name].group
        greatest = cut(line.greatest)
        value, ends = numbers.dot(down, greatest), abs(greatest)
        if line.least is not None:
            least = cut(line.least)
            value, ends = value + numbers.dot(a - down, least), np.maximum(ends, abs(least))
        low, high = cut(line.low), cut(line.high)
        size = cut(table.magnitude(node.inputs[0]))
        if not isinstance(table.network.rules[node.name], Rectifier):  # whose slopes are up to 1
            size = np.maximum(abs(low), abs(high)) * size
        a = np.repeat(a, group, -1) if group > 1 else a
        part = self._moved(node, a * np.where(a < 0, high, low), crops)
        return value, ends + size.reshape(*size.shape[:-1], -1, group).sum(-1), (part,)

    def _parts(self, node: Node, a: Array, crops: Mapping[str, Crop]) -> tuple[Array, ...]:
        """The coefficients `(..., n)` of an affine node's arguments."""
        op, crop, flat = self.table.network.maps[node.name], crops[node.name], a.reshape(-1, a.shape[-1])
        if crop.spans is None or op.local is None:
            parts = op.transpose(flat)
        else:
            spans = op.local.met(crop.spans)
            back = zip(node.inputs, op.local.back(flat, crop), strict=True)
            parts = tuple(crops[name].placed(part, spans) for name, part in back)
        return tuple(part.reshape(*a.shape[:-1], -1) for part in parts)

    def _moved(self, node: Node, a: Array, crops: Mapping[str, Crop]) -> Array:
        """The coefficients of a nonlinear node's argument, as many as its own."""
        crop = crops[node.name]
        if crop.spans is None:
            return a
        return crops[node.inputs[0]].placed(a.reshape(-1, *crop.sizes), crop.spans).reshape(*a.shape[:-1], -1)


def _signed(x: Array) -> Array:
    return np.concatenate([x, -x])
