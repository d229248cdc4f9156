"""A network as a value: nodes in topological order, evaluated by a walk."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from verifier.graph.op import Input, Op


@dataclass(frozen=True, eq=False)
class Node:
    """`name` is unique in its graph; `inputs` are names of earlier nodes; `shape` is `*`, without our batch axis."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order; the first is the only `Input`. `metadata` is what the file says of itself."""

    nodes: tuple[Node, ...]
    output: str
    metadata: Mapping[str, str]

    @property
    def input(self) -> Node:
        return self.nodes[0]

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def uses(self) -> Counter[str]:
        """How often each node is an argument; the output counts as one use more."""
        return Counter([name for node in self.nodes for name in node.inputs] + [self.output])

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.by_name[self.output].shape

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Graph":
        """The same network with parameters in `dtype` on `device`."""
        return replace(self, nodes=tuple(replace(node, op=node.op.to(dtype, device)) for node in self.nodes))

    def until(self, output: str) -> "Graph":
        """The part of the network that computes `output`."""
        needed = {output, self.input.name}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return replace(self, nodes=tuple(node for node in self.nodes if node.name in needed), output=output)

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate: `(B, *in) -> (B, *out)`. Values are dropped after their last use."""
        return evaluate(self, x)

    def __str__(self) -> str:
        width = max(len(node.name) for node in self.nodes)
        return "\n".join(
            f"{node.name:<{width}}  {node.op.label:<16}{'x'.join(map(str, node.shape)):<16}{', '.join(node.inputs)}"
            for node in self.nodes
        )


def evaluate(graph: Graph, x: Tensor) -> Tensor:
    """The output on `x (B, *in)`, as `(B, *out)`, in the dtype and on the device of `x` and the graph."""
    left = Counter(graph.uses)
    values: dict[str, Tensor] = {}
    for node in graph.nodes:
        values[node.name] = value(node, [values[name] for name in node.inputs], x)
        for name in node.inputs:
            left[name] -= 1
            if not left[name]:
                values.pop(name, None)
    return values[graph.output]


def value(node: Node, args: list[Tensor], x: Tensor) -> Tensor:
    """One step of a walk: the node's value `(B, *shape)` for its arguments' values and the network's input."""
    if isinstance(node.op, Input):
        return x
    out = node.op.forward(*args)
    return out if args else out.expand(len(x), *out.shape[1:])
