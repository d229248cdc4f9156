"""A question without the limits of integers that none of its inputs can reach: what is left is easier to bound."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from verifier.bounding.methods import Ibp
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Node
from verifier.graph.ops.activation import Wrap
from verifier.graph.ops.shape import Reshape
from verifier.interval import Interval
from verifier.problem import Problem
from verifier.regions import Box
from verifier.regions.box import Inner


def unwrapped(problem: Problem, deployed: torch.dtype | None) -> Problem:
    """Intervals over a box around all regions show which integers fit into their types."""
    graph = problem.model.graph
    wraps = [node for node in graph.nodes if isinstance(node.op, Wrap)]
    if not wraps:
        return problem
    box = problem.region.box()
    lower, upper = box.lower.amin(0, keepdim=True), box.upper.amax(0, keepdim=True)
    around, options = Box(Interval(lower, upper), Inner(lower, upper)), Options(proof=True, deployed=deployed)
    try:
        table = propagate(graph.until(wraps[-1].name), around, Ibp(), None, options).table
    except UnsupportedModel:
        return problem
    nodes = tuple(replace(node, op=Reshape(node.shape)) if _fits(node, table) else node for node in graph.nodes)
    return replace(problem, model=replace(problem.model, graph=replace(graph, nodes=nodes)))


def _fits(node: Node, table: Mapping[str, Interval]) -> bool:
    if not isinstance(node.op, Wrap) or node.name not in table:
        return False
    interval = table[node.inputs[0]]
    return bool(node.op.fits(interval.lower, interval.upper).all())
