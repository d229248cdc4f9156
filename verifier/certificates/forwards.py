"""Linear bounds that go forwards beside a table: every node as a function of symbols that all nodes share."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Generic, TypeVar

import numpy as np

from verifier.certificates.affine import Map, size
from verifier.certificates.numbers import Array
from verifier.certificates.walk import Table
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input

Form = TypeVar("Form")


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
