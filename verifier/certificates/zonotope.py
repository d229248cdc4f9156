"""Zonotopes (Singh et al. 2018): every node is `center + sum(e_i * generator_i) + rest`, the symbols `e_i` in [-1, 1]
and the same for all nodes, `|rest| <= remainder`.

A nonlinear node is a line and what its gap leaves: a new symbol for each entry, as many as the certificate asks for,
else a remainder. What sums lose goes into remainders: at most `gamma(K)` times the sum of the absolute values of all
terms, the *reach*, with `K` above the number of terms of any sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.certificates.affine import Map
from verifier.certificates.numbers import Array, chunks
from verifier.certificates.table import Forwards, Table
from verifier.graph.graph import Node


@dataclass(frozen=True, eq=False)
class Form:
    """`center (B, n)`, `generators (G, B, n)`, `remainder (B, n)`, `reach (B, n)` for a node of `n` entries; nodes with
    fewer symbols lack the last ones."""

    center: Array
    generators: Array
    remainder: Array
    reach: Array

    @classmethod
    def of(cls, center: Array, generators: Array, remainder: Array) -> "Form":
        reach = abs(center) + remainder
        for part in chunks(len(generators), center.size):
            reach = reach + abs(generators[part]).sum(0)
        return cls(center, generators, remainder, reach)


class Zonotopes(Forwards[Form]):
    """Behind a node there are at most `symbols`; where these end, so do forms."""

    def __init__(self, table: Table, symbols: Mapping[str, int]) -> None:
        super().__init__(table)
        self.symbols, self.used = symbols, 0

    def enter(self, node: Node) -> None:
        if node.name in self.symbols:
            super().enter(node)

    def tell(self, node: Node, form: Form) -> None:
        spread = form.reach - abs(form.center) + self._lost(form, 2)
        self.table.improve(node.name, form.center - spread, form.center + spread)

    def bound(self, rows: Array) -> tuple[Array, Array | None]:
        form = self.forms.get(self.graph.output)
        if form is None:
            return np.full(rows.shape[:2], -np.inf), None
        swing = self.numbers.zeros(rows.shape[:2])
        for generator in form.generators:
            swing = swing + abs(self.numbers.dot(rows, generator))
        bound = self.numbers.dot(rows, form.center) - swing - self.numbers.dot(abs(rows), form.remainder)
        lost = self.numbers.dot(abs(rows), self._lost(form, rows.shape[2]))
        return np.where(self.numbers.finite(bound - lost), bound - lost, -np.inf), None

    def _lost(self, form: Form, terms: int, reach: Array | None = None) -> Array:
        """By sums over `terms` entries and over all symbols."""
        lost: Array = self.numbers.gamma(2 * terms + 2 * len(form.generators)) * (
            form.reach if reach is None else reach
        )
        return lost + self.numbers.tiny

    def entered(self, node: Node) -> Form:
        center, generators, rest, _ = self.spread(node, self.symbols[node.name])
        self.used = len(generators)
        return Form.of(center, generators, rest)

    def mapped(self, node: Node, op: Map) -> Form:
        args = [self.forms[name] for name in node.inputs]
        shape = self.table.lower[node.name].shape
        center, remainder, reach = (
            np.broadcast_to(op.forward([getattr(a, part) for a in args], absolute), shape)
            for part, absolute in (("center", False), ("remainder", True), ("reach", True))
        )
        if op.offset is not None:
            center, reach = center + op.offset, reach + abs(op.offset)
        form = Form(center, self._moved(op, args, shape), remainder, reach)
        if not op.moves:
            remainder = remainder + self._lost(form, self.terms(node))
        return Form.of(center, form.generators, remainder)

    def _moved(self, op: Map, args: Sequence[Form], shape: tuple[int, ...]) -> Array:
        """The linear part of the op, of all generators of its arguments."""
        count = max((len(a.generators) for a in args), default=0)
        found = self.numbers.zeros((count, *shape))
        widest = max([shape[1], *(a.center.shape[1] for a in args)])
        for part in chunks(count, shape[0] * widest):
            taken = [self.numbers.padded(a.generators[part], len(found[part])) for a in args]
            found[part] = op.forward([x.reshape(-1, x.shape[2]) for x in taken], False).reshape(found[part].shape)
        return found

    def bent(self, node: Node) -> Form:
        (name,) = node.inputs
        form, rule = self.forms[name], self.table.network.rules[node.name]
        lower, upper = self.table.lower[name], self.table.upper[name]
        line = rule.parallel(lower, upper, self.table.lines[node.name])
        slope, most = line.low, line.greatest
        least = self.numbers.zeros(most.shape) if line.least is None else line.least
        middle, radius = self.numbers.middle(least, most)
        kinks: Array = np.where(rule.linear(lower, upper)[0][:, :: rule.group], 0, radius)

        def summed(x: Array) -> Array:
            return x if rule.group == 1 else x.reshape(*x.shape[:-1], -1, rule.group).sum(-1)

        reach = summed(abs(slope) * form.reach) + abs(middle) + radius
        remainder = summed(abs(slope) * form.remainder) + self._lost(form, rule.group, reach)
        count = max(0, min(int((kinks > 0).sum(1).max()), self.symbols[node.name] - self.used))
        known = len(form.generators)
        generators = self.numbers.zeros((self.used + count if count else known, *middle.shape))
        for i, generator in enumerate(form.generators):
            generators[i] = summed(slope * generator)
        rest = radius - kinks + self._fresh(generators, kinks, count)
        return Form.of(summed(slope * form.center) + middle, generators, remainder + rest)

    def _fresh(self, generators: Array, radius: Array, count: int) -> Array:
        """New symbols for the `count` entries of each box with the largest radius; what is left of all radii."""
        if not count:
            return radius
        boxes = np.arange(len(radius))
        place = np.argsort(-radius, axis=1, kind="stable")[:, :count].T
        rest = radius.copy()
        generators[self.used + np.arange(count)[:, None], boxes, place] = radius[boxes, place]
        rest[boxes, place] = 0
        self.used += count
        return rest
