"""A network as a value: nodes in topological order, evaluated by a walk."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from verifier.graph.op import Affine, Input, Op


@dataclass(frozen=True, eq=False)
class Node:
    """`name` is unique in its graph; `inputs` are names of earlier nodes; `shape` is `*`, without our batch axis."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Entries of `*`."""
        return math.prod(self.shape)

    @property
    def nonlinear(self) -> bool:
        return not isinstance(self.op, Affine | Input)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order; the first is the only `Input`. `metadata` is what the file says of itself.

    `like` has the dtype and the device of the parameters. `rounded` names the file's nodes whose parameters were
    computed and rounded to float64; those of all others are the file's own numbers. `rewritten`: some nodes are not
    the file's, though the function is (`passes`).
    """

    nodes: tuple[Node, ...]
    output: str
    metadata: Mapping[str, str]
    like: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    rounded: tuple[str, ...] = ()
    rewritten: bool = False

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

    @cached_property
    def only_readers(self) -> Mapping[str, Node]:
        """The nodes that are an argument once, the first one of its reader, and that reader, in topological order."""
        return {node.inputs[0]: node for node in self.nodes if node.inputs and self.uses[node.inputs[0]] == 1}

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.by_name[self.output].shape

    @cached_property
    def magnitudes(self) -> Mapping[str, Affine]:
        """`abs()` of every affine node's op."""
        return {node.name: node.op.abs() for node in self.nodes if isinstance(node.op, Affine)}

    @cached_property
    def offsets(self) -> Mapping[str, Tensor]:
        """`forward(0)`, `(1, *shape)`, of every affine node where that is not zero, and of every constant."""
        found = {}
        for node in self.nodes:
            if isinstance(node.op, Affine):
                offset = node.op.at_zero([torch.Size(self.by_name[name].shape) for name in node.inputs], self.like)
                if not node.inputs or bool((offset != 0).any()):
                    found[node.name] = offset
        return found

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Graph":
        """The same network with parameters in `dtype` on `device`; made once for each pair."""
        key = (dtype, torch.device(device))
        if key not in self._casts:
            nodes = tuple(replace(node, op=node.op.to(dtype, device)) for node in self.nodes)
            self._casts[key] = replace(self, nodes=nodes, like=torch.empty(0, dtype=dtype, device=device))
        return self._casts[key]

    @cached_property
    def _casts(self) -> dict[tuple[torch.dtype, torch.device], "Graph"]:
        return {}

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
