"""Gradients where the true one is zero: steps keep their values and borrow the slope of a smooth neighbour (the
straight-through estimator, Bengio et al. 2013). Only attacks use this; nothing sound rests on it."""

from dataclasses import dataclass, replace

from torch import Tensor

from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.activation import NonZero, Positive, Sign, Step


@dataclass(frozen=True, eq=False)
class StraightThrough(Op):
    """The values of `op`, the gradient of `x / (1 + |x|)` for a sign, half of that or its size for comparisons, and the
    gradient of `x` for rounding."""

    op: Op

    def forward(self, *args: Tensor) -> Tensor:
        soft = self._soft(args[0])
        return self.op.forward(args[0].detach()) + (soft - soft.detach())

    def _soft(self, x: Tensor) -> Tensor:
        match self.op:
            case Sign():
                return x / (1 + x.abs())
            case Positive():
                return x / (2 + 2 * x.abs())
            case NonZero():
                return x.abs() / (1 + x.abs())
        return x


def straight_through(graph: Graph) -> Graph:
    """The same function, with slopes at its steps."""
    nodes = (replace(n, op=StraightThrough(n.op)) if isinstance(n.op, Step) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))
