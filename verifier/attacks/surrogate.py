"""Gradients where the true one is zero: steps keep their values and borrow the slope of a smooth neighbour (the
straight-through estimator, Bengio et al. 2013). Only attacks use this; nothing sound rests on it."""

from dataclasses import dataclass, replace

from torch import Tensor

from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.activation import Ceil, Floor, Round, Sign

STEPS = (Sign, Floor, Ceil, Round)


@dataclass(frozen=True, eq=False)
class StraightThrough(Op):
    """The values of `op`, the gradient of `x / (1 + |x|)` for a sign and of `x` for rounding."""

    op: Op

    def forward(self, *args: Tensor) -> Tensor:
        soft = args[0] / (1 + args[0].abs()) if isinstance(self.op, Sign) else args[0]
        return self.op.forward(args[0].detach()) + (soft - soft.detach())


def straight_through(graph: Graph) -> Graph:
    """The same function, with slopes at its steps."""
    nodes = (replace(n, op=StraightThrough(n.op)) if isinstance(n.op, STEPS) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))
