"""What is proved of boxes: intervals of all nodes, and linear bounds that go forwards beside them."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from verifier.certificates.affine import Map, size
from verifier.certificates.numbers import Array
from verifier.certificates.operators import Network
from verifier.certificates.rule import Lines
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input

Form = TypeVar("Form")


@dataclass(eq=False)
class Table:
    """What is proved of `B` boxes: intervals `(B, n)` of nodes, and the reach of the affine ones."""

    network: Network
    lower: dict[str, Array] = field(default_factory=dict)
    upper: dict[str, Array] = field(default_factory=dict)
    reach: dict[str, Array] = field(default_factory=dict)
    lines: dict[str, Lines] = field(default_factory=dict)
    forwards: "list[Forwards[Any]]" = field(default_factory=list)

    def magnitude(self, name: str) -> Array:
        return np.maximum(abs(self.lower[name]), abs(self.upper[name]))

    def select(self, boxes: Array) -> "Table":
        """What is proved of some of the boxes."""
        if len(boxes) == len(self.lower[self.network.graph.input.name]):
            return self
        lower, upper, reach = (_rows(x, boxes) for x in (self.lower, self.upper, self.reach))
        return Table(self.network, lower, upper, reach, {name: line.select(boxes) for name, line in self.lines.items()})

    def enter(self, node: Node, box: tuple[Array, Array]) -> None:
        """Bound a node by interval arithmetic."""
        if isinstance(node.op, Input):
            lower, upper = box
            self.reach[node.name] = np.maximum(abs(lower), abs(upper))
        elif isinstance(node.op, Affine):
            lower, upper = self._affine(node)
        else:
            (name,) = node.inputs
            lower, upper = self.network.rules[node.name].image(self.lower[name], self.upper[name])
        self.lower[node.name], self.upper[node.name] = lower, upper

    def improve(self, name: str, lower: Array, upper: Array) -> None:
        """Keep what both intervals allow; ends that are not finite are ignored."""
        finite = self.network.numbers.finite
        self.lower[name] = np.where(finite(lower) & (lower > self.lower[name]), lower, self.lower[name])
        self.upper[name] = np.where(finite(upper) & (upper < self.upper[name]), upper, self.upper[name])

    def _affine(self, node: Node) -> tuple[Array, Array]:
        """The image of a centre, and of a radius that reaches both ends from there."""
        network, op = self.network, self.network.maps[node.name]
        boxes = len(self.lower[network.graph.input.name])
        low, high = [self.lower[name] for name in node.inputs], [self.upper[name] for name in node.inputs]
        middles = [network.numbers.middle(a, b) for a, b in zip(low, high, strict=True)]
        centers, radii = [center for center, _ in middles], [radius for _, radius in middles]
        center, radius = op.forward(centers, False), op.forward(radii, True)
        reach = op.forward([abs(c) + r for c, r in zip(centers, radii, strict=True)], True)
        if op.offset is not None:
            center, reach = center + op.offset, reach + abs(op.offset)
        self.reach[node.name] = np.broadcast_to(reach, (boxes, reach.shape[1]))
        if op.moves:
            exact = op.forward(low, False), op.forward(high, False)
            return exact if op.offset is None else (exact[0] + op.offset, exact[1] + op.offset)
        radius = radius + network.gammas[node.name] * reach + network.numbers.tiny
        return tuple(np.broadcast_to(x, self.reach[node.name].shape) for x in (center - radius, center + radius))  # type: ignore[return-value]


def _rows(table: Mapping[str, Array], boxes: Array) -> dict[str, Array]:
    return {name: x[boxes] for name, x in table.items()}


class Forwards(ABC, Generic[Form]):
    """The forms of the nodes that a table has, as long as somebody reads them."""

    def __init__(self, table: Table) -> None:
        self.table, self.numbers, self.graph = table, table.network.numbers, table.network.graph
        self.forms: dict[str, Form] = {}
        self.readers = Counter(name for node in self.graph.nodes for name in node.inputs)

    def enter(self, node: Node) -> None:
        """Bound a node that the table has entered, and tell the table."""
        if isinstance(node.op, Input):
            form = self.entered(node)
        elif isinstance(node.op, Affine):
            form = self.mapped(node, self.table.network.maps[node.name])
        else:
            form = self.bent(node)
        self.forms[node.name] = form
        self.tell(node, form)
        self.readers.subtract(node.inputs)
        for name in set(node.inputs):
            if not self.readers[name]:
                del self.forms[name]

    @abstractmethod
    def entered(self, node: Node) -> Form:
        """Of the input."""

    def spread(self, node: Node, symbols: int) -> tuple[Array, Array, Array, Array]:
        """Of a node's intervals: centres `(B, n)`; generators `(K, B, n)` of the widest, up to `symbols` in each box;
        the radius of all others; and the entries `(K, B)` that have a symbol."""
        low, high = self.table.lower[node.name], self.table.upper[node.name]
        center, radius = self.numbers.middle(low, high)
        count = min(symbols, int((radius > 0).sum(1).max()))
        index = np.sort(np.argsort(-radius, axis=1, kind="stable")[:, :count], axis=1).T
        at = np.arange(count)[:, None], np.arange(len(radius)), index
        generators, rest = self.numbers.zeros((count, *radius.shape)), radius.copy()
        generators[at], rest[at[1:]] = radius[at[1:]], 0
        return center, generators, rest, index

    @abstractmethod
    def mapped(self, node: Node, op: Map) -> Form:
        """Of an affine node."""

    @abstractmethod
    def bent(self, node: Node) -> Form:
        """Of a nonlinear node."""

    @abstractmethod
    def tell(self, node: Node, form: Form) -> None:
        """Give the table the form's interval."""

    @abstractmethod
    def bound(self, rows: Array) -> tuple[Array, Array | None]:
        """Lower bounds `(S, B)` of `rows (S, B, m)` at the output, and their coefficients at the input, where there are
        any, as of a walk."""

    def linearises(self, node: Node) -> bool:
        """Is a nonlinear node taken by its lines?"""
        return True

    def terms(self, node: Node) -> int:
        """At least as many as a sum of an affine node has."""
        return sum(size(self.graph.by_name[name].shape) for name in (node.name, *node.inputs))
