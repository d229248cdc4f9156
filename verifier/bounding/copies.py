"""Entries that are copies of each other have one interval: a walk from one of them bounds all. Products of matrices are
full of them, since every row meets every column."""

import torch
from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine

FAR = 2.0**50  # tells entries that were moved from parameters, which stay where they are


def copies(graph: Graph, node: Node) -> Tensor | None:
    """For each entry of the flattened `node` the first one that is the same number for every input: `(n,)`; None where
    all entries are on their own. Nodes that only move entries are followed back."""
    if not (isinstance(node.op, Affine) and node.op.moves):
        return None
    marks, seen, total = _marks(graph, node, 0.0), _marks(graph, node, FAR), torch.Size(node.shape).numel()
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
            size = torch.Size(other.shape).numel()
            values[other.name] = (start + count + torch.arange(size, dtype=torch.float64)).reshape(1, *other.shape)
            count += size
    return values[node.name].flatten()


def _moves(node: Node) -> bool:
    return isinstance(node.op, Affine) and node.op.moves and bool(node.inputs)
