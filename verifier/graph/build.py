"""Building graphs: both doors add nodes here, and shapes are found by running each op once on zeros."""

from collections.abc import Mapping

import torch
from torch import Tensor

from verifier.errors import InvalidModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Input, Op
from verifier.graph.ops.dense import Constant

MAX_ENTRIES = 2**28  # of one tensor for one input; beyond that a file is broken or hostile


class Builder:
    """Collects nodes in order. `add` names, checks and shapes; `finish` drops what the output does not need."""

    def __init__(self, input_name: str, shape: tuple[int, ...]) -> None:
        self._nodes: dict[str, Node] = {}
        self._samples: dict[str, Tensor] = {}
        self.input = self._append(input_name, Input(shape), (), torch.zeros((1, *shape), dtype=torch.float64))

    def add(self, op: Op, *inputs: str, name: str) -> str:
        """Append `op` applied to earlier nodes; returns the node's name (made unique where it is taken)."""
        out = op.forward(*(self._samples[i] for i in inputs))
        return self._append(name, op, inputs, out)

    def constant(self, array: Tensor, name: str) -> str:
        """A node without arguments that holds `array (*shape)`."""
        return self.add(Constant(array), name=name)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._nodes[name].shape

    def sample(self, name: str) -> Tensor:
        """The node's value `(1, *shape)` where the input is all zeros."""
        return self._samples[name]

    def finish(self, output: str, metadata: Mapping[str, str]) -> Graph:
        return Graph(tuple(self._nodes.values()), output, dict(metadata)).until(output)

    def _append(self, name: str, op: Op, inputs: tuple[str, ...], sample: Tensor) -> str:
        if sample.numel() > MAX_ENTRIES:
            raise InvalidModel(f"{name}: a tensor of {sample.numel():,} entries; more than {MAX_ENTRIES:,} is refused")
        unique, count = name, 1
        while unique in self._nodes:
            unique, count = f"{name}#{count}", count + 1
        self._nodes[unique] = Node(unique, op, inputs, tuple(sample.shape[1:]))
        self._samples[unique] = sample
        return unique
