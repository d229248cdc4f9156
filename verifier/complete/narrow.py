"""A question in which few inputs vary, asked of these inputs alone.

What is affine before the first nonlinearities becomes one matrix over the inputs that vary, as a share of their range,
with everything that rounding could have done as a remainder: an enclosure of the network, and much less to compute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.bounding.notes import Notes
from verifier.bounding.state import State
from verifier.bounding.symbols import symbols
from verifier.bounding.zonotope import Form, Zonotopes
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.dense import Constant, Linear, Sum
from verifier.graph.ops.shape import Reshape
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.regions import Box, box

WORTH = 4  # times as many inputs as vary


@dataclass(frozen=True, eq=False)
class Narrow:
    """`problem` has inputs `(k,)` in [-1, 1]; `center` and `radius (n,)` of the original ones, `index (k,)` of those
    that vary. `nodes` are the network's own, and whether each is affine in the input."""

    problem: Problem
    center: Tensor
    radius: Tensor
    index: Tensor
    nodes: Mapping[str, bool]

    def inputs(self, share: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The network's own inputs `(N, *shape)` for shares `(N, k)`."""
        x = self.center.repeat(len(share), 1)
        x[:, self.index] += share * self.radius[self.index]
        return x.reshape(-1, *shape)

    def cut(self, place: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Of cuts `(N,)` of the shares `place` at these values the network's inputs, and where they are cut."""
        index = self.index[place]
        return index, self.center[index] + share * self.radius[index]

    def noted(self, notes: Notes) -> Notes:
        """What was noted, about the network's own nodes."""
        counts = {name: len(self.index) for name, straight in self.nodes.items() if straight} | dict(notes.symbols)
        mine = {name: count for name, count in counts.items() if name in self.nodes} if notes.symbols else {}
        return replace(notes, symbols=mine, tightened=[name for name in notes.tightened if name in self.nodes])


def narrowed(problem: Problem) -> Narrow | None:
    """The same question of fewer inputs; None where that does not pay, or for several questions."""
    if problem.batch != 1 or not isinstance(problem.region, Box):
        return None
    interval = problem.region.box()
    radius = interval.radius.flatten()
    count = int(interval.varies.sum())
    if not count or len(radius) < WORTH * count:
        return None
    index = symbols(interval, count)[:, 0]  # as the zonotopes of the enclosure choose them
    graph, straight = _enclosure(problem, len(index))
    ends = torch.ones(1, len(index), dtype=torch.float64)
    part = Problem(replace(problem.model, graph=graph), box(-ends, ends), problem.specification)
    nodes = {node.name: node.name in straight for node in problem.model.graph.nodes}
    return Narrow(part, interval.center.flatten(), radius, index, nodes)


def _enclosure(problem: Problem, count: int) -> tuple[Graph, set[str]]:
    """The graph whose inputs are the symbols of a zonotope, exact up to its remainder before anything bends; and the
    names of what was affine in the input."""
    graph = problem.model.graph
    forms, straight = _forms(problem, count)
    needed = {name for node in graph.nodes if node.name not in straight for name in node.inputs} | {graph.output}
    source = Node("symbols", Input((count,)), (), (count,))
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in straight:
            nodes.append(node)
        elif node.name in needed:
            nodes += _affine(node, forms[node.name], count)
    return replace(graph, nodes=(source, *nodes)), straight


def _forms(problem: Problem, count: int) -> tuple[dict[str, Form], set[str]]:
    """The zonotopes of all nodes that are affine in the input, and these nodes' names. Inputs that hardly vary have no
    symbol of their own; they are part of the remainder."""
    state = State(problem.model.graph, problem.region.to(torch.float64, "cpu"), True)
    zonotopes = Zonotopes(state, count)
    straight: set[str] = set()
    for node in problem.model.graph.nodes:
        if isinstance(node.op, Input) or (isinstance(node.op, Affine) and straight.issuperset(node.inputs)):
            straight.add(node.name)
            state.enter(node)
            zonotopes.enter(node)
    return zonotopes.forms, straight


def _affine(node: Node, form: Form, count: int) -> list[Node]:
    """A node under its own name, as `generators @ symbols + center`, each within the remainder."""
    size = node.size
    weight = form.generators.new_zeros(count, size)
    weight[: len(form.generators)] = flat(form.generators, 1)
    fixed = Constant(form.center[0].flatten(), form.remainder[0].flatten())
    name = node.name
    return [
        Node(f"{name}~moves", Linear(weight.T.contiguous()), ("symbols",), (size,)),
        Node(f"{name}~fixed", fixed, (), (size,)),
        Node(f"{name}~sum", Sum((1, 1)), (f"{name}~moves", f"{name}~fixed"), (size,)),
        Node(name, Reshape(node.shape), (f"{name}~sum",), node.shape),
    ]
