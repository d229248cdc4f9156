"""Progressive bound tightening (Tjeng et al. 2019, section 4.2.2): undecided neurons, layer by layer, by LPs of what
lies before them. Every bound is a safe dual one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from verifier.bounding.state import State
from verifier.complete.exact.builder import Index, free
from verifier.complete.exact.encode import Encoder, ends
from verifier.complete.exact.highs import LpRelaxation
from verifier.complete.exact.program import Vector
from verifier.complete.exact.safe import lower_bound
from verifier.complete.search import Work
from verifier.graph.graph import Node
from verifier.interval import Interval
from verifier.relaxations.table import RELAXATIONS


@dataclass(frozen=True)
class Tightening:
    """LPs may take `share` of the time that is left when they begin; layers with more than `most` undecided neurons are
    left as they are."""

    share: float = 0.3
    most: int = 300

    def of(self, work: Work) -> Callable[[Encoder, Node], None]:
        """What an encoder calls before each nonlinear node."""
        deadline = time.monotonic() + self.share * work.seconds

        def tighten(encoder: Encoder, node: Node) -> None:
            if encoder.kinks and time.monotonic() < deadline:  # before the first kink an LP knows no more than a bound
                self._improve(encoder, node, deadline)

        return tighten

    def _improve(self, encoder: Encoder, node: Node, deadline: float) -> None:
        name = node.inputs[0]
        interval = encoder.table[name]
        linear = RELAXATIONS[type(node.op)].linear(node.op, interval).reshape(-1).numpy()
        if not 0 < (~linear).sum() <= self.most:
            return
        index = encoder.columns(name, ~linear)
        lower, upper = (end.copy() for end in ends(interval))
        for place, low, high in zip(free(~linear), *extremes(encoder, index, deadline), strict=True):
            lower[place], upper[place] = max(lower[place], low), min(upper[place], high)
        if (lower > upper).any():
            raise ArithmeticError(f"two proven intervals of {name} do not meet; this is a bug of verifier")
        shape = interval.lower.shape
        encoder.table[name] = Interval(torch.from_numpy(lower).reshape(shape), torch.from_numpy(upper).reshape(shape))
        encoder.build.narrow(index, lower[~linear], upper[~linear])
        _pass_on(encoder, node)


def _pass_on(encoder: Encoder, node: Node) -> None:
    """The image of a tighter interval."""
    relaxation, x = RELAXATIONS[type(node.op)], encoder.table[node.inputs[0]]
    state = State(encoder.graph, encoder.region, True, table=encoder.table)
    loss = state.loss(node.name, relaxation.lines(node.op, x))
    image = relaxation.image(node.op, x)
    state.improve(node.name, Interval(image.lower - loss, image.upper + loss))


def extremes(encoder: Encoder, index: Index, deadline: float) -> tuple[Vector, Vector]:
    """Proven bounds of columns; what they were where time ran out."""
    build = encoder.build
    lower, upper = build.lower[index].copy(), build.upper[index].copy()
    relaxation = LpRelaxation(build.finish(np.zeros(build.count), 0.0))
    for sign, side in ((1.0, lower), (-1.0, upper)):
        for place, column in enumerate(index):
            if time.monotonic() > deadline:
                return lower, upper
            cost = np.zeros(build.count)
            cost[column] = sign
            relaxation.minimise(cost)
            answer = relaxation.solve(deadline - time.monotonic())
            if answer.multipliers is not None:
                bound = sign * lower_bound(relaxation.program, answer.multipliers)
                side[place] = max(side[place], bound) if sign > 0 else min(side[place], bound)
    return lower, upper
