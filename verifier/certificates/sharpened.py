"""Intervals that were tightened before a tree grew: an end of an entry is what the leaves of a tree of its own prove.

A sweep goes through the network once, as a recipe does (`bounds.py`), and knows what was proved before it. The ends of
a node rest on nodes before it, so nothing is claimed: whatever a certificate proposes, what is computed here counts.
"""

from collections.abc import Mapping

import numpy as np

from verifier.certificates.activations import Leaves
from verifier.certificates.bounds import Recipe
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array
from verifier.certificates.operators import Network
from verifier.certificates.table import Table
from verifier.graph.graph import Node


class Sweep(Recipe):
    """For one box; `lemmas` of a node are about some of its entries each."""

    def __init__(self, network: Network, value: Reader, relevant: Mapping[str, Array]) -> None:
        super().__init__(network, value, 1, relevant)
        self.lemmas = {name: part.list() for name, part in value["lemmas"].items()}

    def after(self, table: Table) -> Table:
        """Intervals within those of a table of the same box."""
        name = self.network.graph.input.name
        known = {node: (table.lower[node], table.upper[node]) for node in table.lower}
        return self.table(table.lower[name], table.upper[name], known=known)

    def _tighten(self, table: Table, node: Node) -> None:
        super()._tighten(table, node)
        for part in self.lemmas.get(node.name, ()):
            table.improve(node.name, *self._ends(table, node.name, part))

    def _ends(self, table: Table, name: str, part: Reader) -> tuple[Array, Array]:
        """The node's interval `(1, n)` with the ends that a lemma proves; its trees are about some entries from below,
        then about their negatives."""
        lower, upper = table.lower[name].copy(), table.upper[name].copy()
        entries = part["entries"].array("i", -1)
        if ((entries < 0) | (entries >= lower.shape[1])).any():
            raise part.wrong(f"there are no such entries of {name}")
        one = self.network.numbers.zeros((len(entries), lower.shape[1]))
        one[np.arange(len(entries)), entries] = 1
        least = Leaves(table, part, name, 2 * len(entries)).least(np.concatenate([one, -one]))
        lower[0, entries], upper[0, entries] = least[: len(entries)], -least[len(entries) :]
        return lower, upper
