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
class LinearRows:
    """Rows from below as linear functions of the input: at least `base + sum(|coefficient| * t)`, where `t` is how far
    each input is from the end of the box where the row is least. `base (V * S, B)`, `coefficient (V * S, B, *in)`: all
    `S` rows by the usual lines, and once more by each of `V - 1` other choices."""

    base: Tensor
    coefficient: Tensor

    def clause(self, clause: Tensor) -> Tensor:
        """The clauses of its rows `(V * S,)`, of those of the specification's `(S,)`."""
        return clause.repeat(len(self.base) // len(clause))

    def among(self, mine: Tensor) -> "LinearRows":
        """The same with all rows of a specification `(S,)`, of which these are `mine`; of others nothing is known."""
        ways = len(self.base) // int(mine.sum())
        at = mine.repeat(ways)
        base = self.base.new_full((len(at), *self.base.shape[1:]), -torch.inf)
        coefficient = self.coefficient.new_zeros(len(at), *self.coefficient.shape[1:])
        base[at], coefficient[at] = self.base, self.coefficient
        return LinearRows(base, coefficient)


def walks(state: State, stops: dict[str, Interval], grounded: bool) -> list[Backward]:
    """One with the usual lines and, where `grounded`, one with zero as the lower line of every ReLU: slopes chosen by
    area can be the wrong ones for nearly all that is undecided in a small box."""
    usual = state.backward(stops=stops)
    lines = {}
    for name, own in state.lines.items() if grounded else ():
        node = state.graph.by_name[name]
        if isinstance(node.op, Relu):
            least, _ = state.relaxations[Relu].range(node.op, state.table[node.inputs[0]])
            lines[name] = state.choose(name, Slopes(least.lower, own.slopes.upper))
    if not lines:
        return [usual]
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
