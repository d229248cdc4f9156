"""Which bounds suit the boxes of a question: those that may are tried on the whole region, and the best for its time
stays."""

import time
from collections.abc import Callable

import torch

from verifier.bounding.methods import Crown, Method, Zonotope
from verifier.bounding.propagate import Bounds
from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.problem import Problem

MANY, FORWARDS = 2000, 8  # neurons, and inputs that vary, from and up to which bounds go forwards

WALKS = (Crown(),)


def suited(problem: Problem) -> tuple[Method, ...]:
    """Walks back from every neuron, unless they are many: forwards, the cost does not grow with their number. Where all
    inputs vary next to nothing there is nothing to cut."""
    count = vary(problem)
    few = 0 < count <= FORWARDS and undecided(problem.model.graph) > MANY
    return (Zonotope(symbols=count), Zonotope()) if few else WALKS


def winner(methods: tuple[Method, ...], bound: Callable[[Method], Bounds], problem: Problem) -> tuple[Method, Bounds]:
    """The method for all boxes to come, and its bounds of the whole region.

    What a box lacks shrinks with its width, as a rule: whoever lacks twice as much needs boxes of half the width, which
    are two to the number of inputs that vary as many.
    """
    if len(methods) == 1:
        return methods[0], bound(methods[0])
    best, least = None, torch.inf
    for method in methods:
        start = time.monotonic()
        bounds = bound(method)
        assert bounds.rows is not None
        lack = float(problem.specification.margin(bounds.rows).clamp(max=0.0).neg().mean())
        cost = lack ** vary(problem) * (time.monotonic() - start)
        if best is None or cost < least:
            best, least = (method, bounds), cost
        if lack == 0:
            break
    assert best is not None
    return best


def vary(problem: Problem) -> int:
    """The greatest number of inputs that vary in a question."""
    return int(flat(problem.region.box().varies, 1).sum(1).max())


def undecided(graph: Graph) -> int:
    """How many entries nonlinear nodes read."""
    names = {n.inputs[0] for n in graph.nodes if n.nonlinear}
    return sum(graph.by_name[name].size for name in names)
