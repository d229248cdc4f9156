"""ReLUs of opposite numbers: `relu(-z) = relu(z) - z`, so that one of two is enough.

Networks that compute minima, maxima or absolute values by ReLUs are full of such pairs: `2 min(a, b)` as
`relu(a + b) - relu(-a - b) - relu(a - b) - relu(b - a)` (two-level lattices, Ferlez and Shoukry 2020) becomes
`2a - 2 relu(a - b)`. Lines for each of two ReLUs are much looser than those for one, and where the two only make a sum
none are needed. tllverifybench's N=40_2 went from open after 60 s to proved after 5.
"""

from dataclasses import replace

import torch
from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Sum

NEAR = 1e-9  # relative: products of rows that could be opposite
BENT, STRAIGHT = "~bent", "~straight"  # parts of a node


def mirrored(graph: Graph) -> Graph:
    """Every ReLU between products without those of its entries that see the negative of what another one sees."""
    for node in graph.nodes:
        if isinstance(node.op, Relu):
            graph = _without_mirrored(graph, graph.by_name[node.name])
    return graph


def _without_mirrored(graph: Graph, relu: Node) -> Graph:
    source = graph.by_name[relu.inputs[0]]
    readers = [node for node in graph.nodes if relu.name in node.inputs]
    linear = all(isinstance(node.op, Linear) for node in readers)
    if not isinstance(source.op, Linear) or not linear or not readers:
        return graph
    if graph.uses[source.name] > 1 or graph.uses[relu.name] > len(readers):
        return graph
    first, second = opposite(source.op.weight, source.op.bias)
    totals = {node.name: _joined(_weight(node), first, second) for node in readers}
    sums = {name: total for name, total in totals.items() if total is not None}
    if not len(first) or len(sums) < len(totals):
        return graph
    bends = (torch.cat(list(sums.values())) != 0).any(0)
    straight = _rows(source, source.name + STRAIGHT, first)
    replaced: dict[str, list[Node]] = {source.name: [straight], relu.name: []}
    if bool(bends.any()):
        bent = _rows(source, source.name + BENT, bends.nonzero().flatten())
        replaced = {source.name: [bent, straight], relu.name: [replace(relu, inputs=(bent.name,), shape=bent.shape)]}
    for node in readers:
        lines = (straight.name, -_weight(node)[:, second])
        parts = [(relu.name, sums[node.name][:, bends]), lines] if bool(bends.any()) else [lines]
        replaced[node.name] = _sum(node, parts)
    return replace(graph, nodes=tuple(n for node in graph.nodes for n in replaced.get(node.name, [node])))


def opposite(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pairs of rows of `weight (n, m)` and `bias (n,)` that are each other's negative: their numbers, each row in one
    pair at most."""
    rows = weight if bias is None else torch.cat([weight, bias.unsqueeze(1)], 1)
    sketch = rows @ torch.randn(rows.shape[1], generator=torch.Generator().manual_seed(0), dtype=rows.dtype)
    size, order = sketch.abs().sort()
    near = (size[1:] - size[:-1] <= NEAR * size[1:]) & (size[1:] > 0)
    near = torch.cat([near[:0].new_zeros(1), near])  # to the one before
    pairs: list[tuple[int, int]] = []
    waiting: list[int] = []  # rows of about this size without a partner
    for place in (near | near.roll(-1)).nonzero().flatten().tolist():
        row = int(order[place])
        if not bool(near[place]):
            waiting = []
        partner = next((other for other in waiting if torch.equal(rows[other], -rows[row])), None)
        if partner is None:
            waiting.append(row)
        else:
            waiting.remove(partner)
            pairs.append((min(partner, row), max(partner, row)))
    index = torch.tensor(sorted(pairs), dtype=torch.long).reshape(-1, 2)
    return index[:, 0], index[:, 1]


def _weight(node: Node) -> Tensor:
    assert isinstance(node.op, Linear)
    return node.op.weight


def _bias(node: Node) -> Tensor | None:
    assert isinstance(node.op, Linear)
    return node.op.bias


def _joined(weight: Tensor, first: Tensor, second: Tensor) -> Tensor | None:
    """The weight of the ReLUs that stay, zero for those that go; None where a sum would be rounded."""
    a, b = weight[:, first], weight[:, second]
    total = a + b
    if not bool(((total - a == b) & (total - b == a)).all()):
        return None
    return weight.index_copy(1, first, total).index_fill(1, second, 0.0)


def _rows(source: Node, name: str, index: Tensor) -> Node:
    """Some of the entries of a product."""
    assert isinstance(source.op, Linear)
    bias = None if source.op.bias is None else source.op.bias[index]
    return Node(name, Linear(source.op.weight[index], bias), source.inputs, (*source.shape[:-1], len(index)))


def _sum(node: Node, parts: list[tuple[str, Tensor]]) -> list[Node]:
    """A node, under its own name, as a sum of products: names of what they read, and weights."""
    if len(parts) == 1:
        ((read, weight),) = parts
        return [replace(node, op=Linear(weight, _bias(node)), inputs=(read,))]
    names = node.name + BENT, node.name + STRAIGHT
    ops = [Linear(weight, bias) for (_, weight), bias in zip(parts, (_bias(node), None), strict=True)]
    products = [Node(n, op, (read,), node.shape) for n, op, (read, _) in zip(names, ops, parts, strict=True)]
    return [*products, Node(node.name, Sum((1, 1)), names, node.shape)]
