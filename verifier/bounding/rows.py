"""Rows at the output as linear functions of the input, by walks back to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.bounding.backward import Backward
from verifier.bounding.coefficient import Dense
from verifier.bounding.state import State
from verifier.graph.ops.activation import Relu
from verifier.interval import Interval
from verifier.relaxations.relaxation import Slopes


@dataclass(frozen=True, eq=False)
class Form:
    """Rows from below as linear functions of the input: at least `base + sum(|coefficient| * t)`, where `t` is how far
    each input is from the end of the box where the row is least. `base (V * S, B)`, `coefficient (V * S, B, *in)`: all
    `S` rows by the usual lines, and once more by each of `V - 1` other choices."""

    base: Tensor
    coefficient: Tensor


def walks(state: State, stops: dict[str, Interval], grounded: bool) -> list[Backward]:
    """One with the usual lines and, where `grounded`, one with zero as the lower line of every ReLU.

    Where few ReLUs are undecided but for a hair of their intervals, the usual choice of slopes, by area, can be wrong
    for nearly all of them at once.
    """
    usual = state.backward(stops=stops)
    if not grounded:
        return [usual]
    lines = {}
    for name, own in state.lines.items():
        node = state.graph.by_name[name]
        if isinstance(node.op, Relu):
            least, _ = state.relaxations[Relu].range(node.op, state.table[node.inputs[0]])
            lines[name] = state.choose(name, Slopes(least.lower, own.slopes.upper))
    losses = {name: state.loss(name, line) for name, line in lines.items()} if state.rounding else None
    return [usual, state.backward(lines, stops, losses=losses)]


def walked(ways: Sequence[Backward], start: str, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """Lower bounds `(V, S, B)` of `rows (S, B, *)` at `start` by each way, and their coefficients `(V, S, B, *in)`, if
    they got to the input."""
    bounds, slopes = [], []
    for way in ways:
        seen: dict[str, Tensor] = {}
        bounds.append(way.bound(start, Dense(rows), seen=seen))
        slopes.append(seen.get(way.graph.input.name))
    arrived = [slope for slope in slopes if slope is not None]
    return torch.stack(bounds), torch.stack(arrived) if len(arrived) == len(ways) else None
