"""A product without a bias, and the shift behind it, are one op."""

from dataclasses import replace

from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.ops.dense import Linear, Shift


def shifted(graph: Graph) -> Graph:
    """Shifts along the last axis become biases of the products that only they read."""
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        nodes[node.name] = node
        before = nodes[node.inputs[0]] if isinstance(node.op, Shift) else None
        if before is None or not isinstance(before.op, Linear) or before.op.bias is not None:
            continue
        bias = _last(node.op.bias, before.shape) if isinstance(node.op, Shift) else None
        if bias is not None and graph.uses[before.name] == 1 and node.shape == before.shape:
            nodes[node.name] = replace(before, name=node.name, op=Linear(before.op.weight, bias))
            del nodes[before.name]
    return replace(graph, nodes=tuple(nodes.values()))


def _last(bias: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """A number, or numbers along the last axis, as `(shape[-1],)`; None for anything else."""
    if bias.dim() > len(shape) or bias.numel() not in (1, shape[-1]) or (bias.dim() and bias.numel() != bias.shape[-1]):
        return None
    return bias.reshape(-1).expand(shape[-1]).contiguous()
