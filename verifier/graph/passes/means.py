"""Weighted means: `sum(w_i * q_i / sum(q))` as `c + sum((w_i - c) * q_i) * (1 / sum(q))`.

Shares `q_i / sum(q)` sum to one, so the two are equal for every `c`. Of the second, one product is relaxed in place of
one for each share, and its first factor has a narrow interval where `c` lies among the values of the mean: what is
left is small where the sum varies.
"""

from collections.abc import Mapping
from dataclasses import replace

from verifier.graph.graph import Graph, Node
from verifier.graph.ops.dense import Linear, Reduce, Shift
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Stack
from verifier.graph.ops.smooth import Power


def means(graph: Graph) -> Graph:
    """Every product of shares along the last axis with a weight, as above."""
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += _mean(graph.by_name, node) or [node]
    return replace(graph, nodes=tuple(nodes)).until(graph.output)


def _mean(nodes: Mapping[str, Node], node: Node) -> list[Node] | None:
    """The nodes in place of a weighted mean; None for any other."""
    factors = _shares(nodes, nodes[node.inputs[0]]) if isinstance(node.op, Linear) else None
    if factors is None or not isinstance(node.op, Linear) or node.op.bias is not None:
        return None
    weight = node.op.weight
    level = weight.mean(1, keepdim=True).float().double()
    rest = weight - level
    if not bool(((rest + level == weight) & (weight - rest == level)).all()):
        return None  # a difference would be rounded
    part, pair, product = (f"{node.name}~{what}" for what in ("rest", "pair", "product"))
    return [
        Node(part, Linear(rest), (factors[0],), node.shape),
        Node(pair, Stack(), (part, factors[1]), (*node.shape, 2)),
        Node(product, Product(), (pair,), node.shape),
        Node(node.name, Shift(level[:, 0]), (product,), node.shape),
    ]


def _shares(nodes: Mapping[str, Node], node: Node) -> tuple[str, str] | None:
    """Of a node that is `q * (1 / sum(q))`, the sum along the last axis, the names of both factors."""
    pair = nodes[node.inputs[0]] if isinstance(node.op, Product) else None
    if pair is None or not isinstance(pair.op, Stack):
        return None
    for of, inverse in (pair.inputs, pair.inputs[::-1]):
        power = nodes[inverse]
        whole = nodes[power.inputs[0]] if isinstance(power.op, Power) and power.op.exponent == -1 else None
        if whole is not None and isinstance(whole.op, Reduce) and whole.inputs == (of,) and _last(whole, nodes[of]):
            return of, inverse
    return None


def _last(whole: Node, of: Node) -> bool:
    """Is it the sum along the last axis, which stays as an axis of one entry?"""
    rank = len(of.shape)
    assert isinstance(whole.op, Reduce)
    return whole.op.axes in ((rank - 1,), (-1,)) and whole.shape == (*of.shape[:-1], 1)
