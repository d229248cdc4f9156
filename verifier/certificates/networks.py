"""What proofs are about: parts of one network, and these rewritten where searches did so (`verifier/graph/passes`)."""

import numpy as np

from verifier.certificates.affine import size
from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.operators import Network
from verifier.certificates.table import Table
from verifier.errors import Rejected
from verifier.graph.graph import Graph
from verifier.graph.passes.exact import simplified


class Networks:
    """The networks of a certificate's entries, each made once."""

    def __init__(self, graph: Graph, numbers: Numbers) -> None:
        self.graph, self.numbers = graph, numbers
        self._made: dict[tuple[str, bool], Network] = {}

    def of(self, part: Reader) -> Network:
        """Up to the node that the entry is about."""
        output, rewritten = part["output"].text(), bool(part["rewritten"].number())
        if output not in self.graph.by_name:
            raise Rejected(f"{part.where}: the network has no node {output}")
        if (output, rewritten) not in self._made:
            plain = Network(self.graph.until(output), self.numbers)
            self._made[output, rewritten] = _rewritten(plain, part) if rewritten else plain
        return self._made[output, rewritten]


def _rewritten(plain: Network, part: Reader) -> Network:
    """A rewrite that changed the function would prove nothing. That none does so is its own promise; here it is tried
    at the corners and the centre of a box, where two enclosures of one value can't be apart."""
    found = Network(simplified(plain.graph), plain.numbers)
    low, high = (part[side].array("f", -1, size(plain.graph.input.shape))[:1] for side in ("lower", "upper"))
    points = plain.numbers.array(np.concatenate([low, low / 2 + high / 2, high]))
    before, after = (_values(network, points) for network in (plain, found))
    if ((before[0] > after[1]) | (after[0] > before[1])).any():
        raise Rejected(f"{part.where}: rewritten, the network is another function")
    return found


def _values(network: Network, points: Array) -> tuple[Array, Array]:
    """Enclosures of the output at `points (N, n)`."""
    table = Table(network)
    with np.errstate(all="ignore"):  # what overflows is no number, and is apart from none
        for node in network.graph.nodes:
            table.enter(node, (points, points))
    return table.lower[network.graph.output], table.upper[network.graph.output]
