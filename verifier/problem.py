"""One question, or a batch of them: does the property hold everywhere in the region?"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor

from verifier.errors import InputError
from verifier.graph.graph import Graph, Node
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.shape import Reshape
from verifier.graph.ops.softmax import Differences, Softmax
from verifier.model import Model
from verifier.numerics import flat
from verifier.properties import Specification
from verifier.regions import Region


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
