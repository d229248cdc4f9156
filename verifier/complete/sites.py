"""Where a search over activations can cut: the entries that nonlinear nodes read."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from verifier.bounding.state import State
from verifier.graph.graph import Node
from verifier.numerics import flat


@dataclass(frozen=True, eq=False)
class Site:
    """A node that nonlinear ones read: its entries `index (n,)` can be cut; they count from `first` over all sites."""

    name: str
    readers: tuple[Node, ...]
    index: Tensor
    first: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + len(self.index))

    def of(self, state: State) -> Self:
        """The same in another arithmetic, or on another device."""
        readers = tuple(state.graph.by_name[node.name] for node in self.readers)
        return replace(self, readers=readers, index=self.index.to(state.graph.like.device))


def sites(state: State) -> list[Site]:
    """All nodes on the way to the output with entries that some reader does not see as linear: a walk never meets the
    others, and would drop what their multipliers add."""
    readers: dict[str, list[Node]] = {}
    for node in state.graph.until(state.graph.output).nodes:
        if node.nonlinear:
            readers.setdefault(node.inputs[0], []).append(node)
    found, first = [], 0
    for name, nodes in readers.items():
        x = state.table[name]
        linear = torch.ones_like(x.lower, dtype=torch.bool)
        for node in nodes:
            linear &= state.relaxations[type(node.op)].linear(node.op, x)
        index = flat(~linear, 1)[0].nonzero().flatten()
        if len(index):
            found.append(Site(name, tuple(nodes), index, first))
            first += len(index)
    return found
