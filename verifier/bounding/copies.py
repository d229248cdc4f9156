"""Entries that are copies of each other, or negatives, have one interval: a walk from one of them bounds all.

Products of matrices are full of copies, as every row meets every column; softmax reads differences with both signs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine
from verifier.graph.ops.softmax import Differences

Ends = tuple[Tensor, Tensor]

FAR = 2.0**50  # tells entries that were moved from parameters, which stay where they are


@dataclass(frozen=True, eq=False)
class Twins:
    """For each entry of a flattened node the first of its copies, and its negative: `(n,)`, None where all are on their
    own."""

    first: Tensor | None = None
    negative: Tensor | None = None

    def once(self, asked: Tensor) -> Tensor:
        """Of the entries `asked (B, n)` one for all its twins."""
        if self.first is not None:
            asked = torch.zeros_like(asked).index_add(1, self.first.to(asked.device), asked)
        if self.negative is not None:
            earlier = torch.arange(len(self.negative)) < self.negative
            asked = (asked | asked[:, self.negative]) & earlier.to(asked.device)
        return asked

    def told(self, lower: Tensor, upper: Tensor) -> Ends:
        """Ends `(B, n)` with what is known of twins."""
        if self.first is not None:
            lower, upper = torch.maximum(lower, lower[:, self.first]), torch.minimum(upper, upper[:, self.first])
        if self.negative is not None:
            return torch.maximum(lower, -upper[:, self.negative]), torch.minimum(upper, -lower[:, self.negative])
        return lower, upper


def twins(graph: Graph, node: Node) -> Twins:
    """What walks from `node` need not find twice."""
    return Twins(copies(graph, node), negatives(node))


def negatives(node: Node) -> Tensor | None:
    """For each entry of the flattened `node` the one that is its negative: `(n,)`; None where nothing pairs them."""
    if not isinstance(node.op, Differences) or node.shape[-1] == 0:
        return None
    size, total = node.shape[-2], node.size
    row, column = torch.arange(size).unsqueeze(1), torch.arange(size - 1)
    there = (row + column + 1) % size * (size - 1) + (size - 2 - column)
    blocks = torch.arange(0, total, size * (size - 1))
    return (blocks[:, None, None] + there).flatten()


def copies(graph: Graph, node: Node) -> Tensor | None:
    """For each entry of the flattened `node` the first one that is the same number for every input: `(n,)`; None where
    all entries are on their own. Nodes that only move entries are followed back."""
    if not (isinstance(node.op, Affine) and node.op.moves):
        return None
    marks, seen, total = _marks(graph, node, 0.0), _marks(graph, node, FAR), node.size
    own = FAR / 2 + torch.arange(total, dtype=torch.float64)
    label = torch.where(seen - marks == FAR, marks, own)  # parameters, and what is moved with a sign, are on their own
    _, group = label.unique(return_inverse=True)
    first = torch.full((total,), total).scatter_reduce(0, group, torch.arange(total), "amin")[group]
    return None if bool((first == torch.arange(total)).all()) else first


def _marks(graph: Graph, node: Node, start: float) -> Tensor:
    """Every entry's number, counted from `start` over the nodes it was moved from."""
    count, values, needed = 1.0, dict[str, Tensor](), {node.name}
    for other in reversed(graph.nodes):
        if other.name in needed and _moves(other):
            needed.update(other.inputs)
    for other in graph.nodes:
        if other.name in needed and _moves(other):
            values[other.name] = other.op.to(torch.float64, "cpu").forward(*(values[name] for name in other.inputs))
        elif other.name in needed:
            size = other.size
            values[other.name] = (start + count + torch.arange(size, dtype=torch.float64)).reshape(1, *other.shape)
            count += size
    return values[node.name].flatten()


def _moves(node: Node) -> bool:
    return isinstance(node.op, Affine) and node.op.moves and bool(node.inputs)
