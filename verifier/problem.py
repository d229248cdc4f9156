"""One question, or a batch of them: does the property hold everywhere in the region?"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor

from verifier.errors import InputError
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.shape import Reshape
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.model import Model
from verifier.numerics import flat
from verifier.properties import Specification
from verifier.regions import Region

SURE = 1 - 1e-9  # of a number's size, left by sums that decide its sign for sure


@dataclass(frozen=True, eq=False)
class Problem:
    """`B` questions about one model: the region's and the specification's batch axes belong together."""

    model: Model
    region: Region
    specification: Specification

    def __post_init__(self) -> None:
        graph, rows = self.model.graph, self.specification.rows
        if self.region.shape != graph.input.shape:
            raise InputError(f"the region has shape {self.region.shape}, the network's input {graph.input.shape}")
        if tuple(rows.shape[2:]) != graph.output_shape:
            raise InputError(f"the property is about {tuple(rows.shape[2:])}, the output is {graph.output_shape}")
        if rows.shape[1] != self.region.batch:
            raise InputError(f"{self.region.batch} regions, but properties for {rows.shape[1]}")

    @property
    def batch(self) -> int:
        return self.region.batch

    def select(self, index: Tensor) -> Self:
        """The questions at `index (N,)`."""
        return type(self)(self.model, self.region.select(index), self.specification.select(index))


def without_softmax(problem: Problem) -> Problem:
    """The same question before a last softmax, where only the order of outputs is asked for: softmax keeps it.

    What is proved is the order of the softmax's arguments; margins are in their units. The evaluator runs the whole
    file, so a witness breaks the property after the softmax, as the network computes it.
    """
    graph, specification = problem.model.graph, problem.specification
    last = last_softmax(graph)
    if last is None or not _compares(specification):
        return problem
    cut = graph.until(_argument(graph, last))
    rows = specification.rows.reshape(*specification.rows.shape[:2], *cut.output_shape)
    return replace(problem, model=replace(problem.model, graph=cut), specification=replace(specification, rows=rows))


def without_last_relu(problem: Problem) -> Problem:
    """The same question before a last ReLU, where every row asks about one entry of it, and from a side on which the
    ReLU changes no answer: behind it bounds can't fall below zero, and gradients vanish.

    Of `c * relu(z) + d > 0` it changes none where `c > 0`, `d <= 0`, or `c < 0`, `d > 0`.
    """
    graph = problem.model.graph
    tail = _affine_tail(graph)
    relu = graph.by_name[tail[-1].inputs[0] if tail else graph.output]
    if not isinstance(relu.op, Relu) or graph.uses[relu.name] > 1:
        return problem
    asked = problem.specification.to(torch.float64, "cpu")
    c, d = asked.rows.flatten(0, 1), asked.offset.flatten()
    closed = torch.tensor(asked.closed).repeat_interleave(problem.batch)
    if not (_undisturbed(graph, tail, c[:1], d[:1], closed[:1]) and _undisturbed(graph, tail, c, d, closed)):
        return problem  # mostly after the first row: all of a large last layer would take a lot of memory
    straight = tuple(replace(n, op=Reshape(n.shape)) if n is relu else n for n in graph.nodes)
    return replace(problem, model=replace(problem.model, graph=replace(graph, nodes=straight)))


def _undisturbed(graph: Graph, tail: list[Node], c: Tensor, d: Tensor, closed: Tensor) -> bool:
    """Does the ReLU in front of `tail` change the answer of none of the rows `c (N, *)`, `d (N,)`, `closed (N,)`?"""
    reach, size = c.abs(), d.abs()  # the same without signs: more than the sums where terms cancel
    for node in tail:
        assert isinstance(node.op, Affine)
        shapes = [torch.Size(graph.by_name[node.inputs[0]].shape)]
        op, zero = node.op.to(torch.float64, "cpu"), c.new_zeros((1, *shapes[0]))
        offset = op.forward(zero)
        d, size = d + flat(c * offset, 1).sum(1), size + flat(reach * offset.abs(), 1).sum(1)
        (c,), (reach,) = op.transport(c, shapes), op.abs().transport(reach, shapes)
    c, reach = flat(c, 1), flat(reach, 1)
    alone = ((reach > 0).sum(1) == 1) & (c.abs() >= SURE * reach).all(1)
    up, down = (c > 0).any(1), (c < 0).any(1)
    below = torch.where(size == 0, ~closed, d <= -(1 - SURE) * size)
    return bool((alone & ((up & below) | (down & (d > (1 - SURE) * size)))).all())


def _affine_tail(graph: Graph) -> list[Node]:
    """The nodes behind the last nonlinear one, from the output back, where they are a chain."""
    found, node = list[Node](), graph.by_name[graph.output]
    while isinstance(node.op, Affine) and len(node.inputs) == 1 and graph.uses[node.name] == 1:
        found.append(node)
        node = graph.by_name[node.inputs[0]]
    return found


def last_softmax(graph: Graph) -> Node | None:
    """The softmax that the network ends in, over all its entries; None where there is none."""
    last = graph.by_name[graph.output]
    while isinstance(last.op, Reshape):
        last = graph.by_name[last.inputs[0]]
    return last if _is_softmax(graph, last) else None


def _argument(graph: Graph, softmax: Node) -> str:
    """What the softmax is of."""
    before = graph.by_name[softmax.inputs[0]]
    return before.inputs[0] if isinstance(softmax.op, Softmax) else before.name


def _is_softmax(graph: Graph, node: Node) -> bool:
    """Over all its entries: between different sums the order would not be kept."""
    op = node.op
    if isinstance(op, Softmax):
        return isinstance(graph.by_name[node.inputs[0]].op, Differences) and node.shape[-1] == math.prod(node.shape)
    if not (isinstance(op, Batchwise) and isinstance(op.function, partial)):
        return False
    if op.function.func not in (torch.softmax, torch.log_softmax):
        return False
    dim = op.function.keywords.get("dim", 0)
    return dim < 0 and len(node.shape) + dim >= 0 and node.shape[dim] == math.prod(node.shape)


def _compares(specification: Specification) -> bool:
    """Is every row a positive multiple of one output minus another?"""
    rows = flat(specification.rows, 2)
    two = ((rows != 0).sum(2) == 2) & (rows.sum(2) == 0)
    return bool(two.all()) and not bool((specification.offset != 0).any())
