"""One walk backwards: linear bounds of rows at some node, moved to the input and minimised over the region.

Zhang et al. 2018 (CROWN); Xu et al. 2020 (general graphs). Affine ops move coefficients exactly, nonlinear ones replace
them by those of their lines. With `rounding`, everything that floating point could have changed on the way is
subtracted: the result is then a proof. A sum that overflowed on the way is no bound, whatever its sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from verifier.bounding.coefficient import Coefficient, Dense
from verifier.bounding.shares import balanced
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.interval import Interval
from verifier.numerics import SAFETY, TINY, flat, gamma
from verifier.regions import Box, Region
from verifier.relaxations.relaxation import Lines
from verifier.relaxations.table import Table


@dataclass(frozen=True, eq=False)
class Backward:
    """What a walk needs to know, all in one dtype and on one device.

    `lines` are those of every nonlinear node on the way; `offsets` those of affine nodes that have one, `(1, *)`;
    `stops` are nodes whose interval ends the walk early (interval arithmetic with the last affine layers merged);
    `rounding (B, *)` is, for each node, what one coefficient of 1 there can lose; `multipliers (S, B, *)` are added to
    the coefficients that arrive at a node: a search knows the sign of what they multiply (β-CROWN). `shares (B, *)` are
    the widths of nodes whose entries sum to one along the last axis. What rounding can lose at nodes in `charged` is
    part of `rounding` at the only node that reads them, unless a walk starts there.
    """

    graph: Graph
    region: Region
    relaxations: Table
    lines: Mapping[str, Lines]
    offsets: Mapping[str, Tensor]
    stops: Mapping[str, Interval]
    rounding: Mapping[str, Tensor] | None
    multipliers: Mapping[str, Tensor] = field(default_factory=dict)
    shares: Mapping[str, Tensor] = field(default_factory=dict)
    charged: frozenset[str] = frozenset()

    def bound(self, start: str, rows: Coefficient, both: bool = False, seen: dict[str, Tensor] | None = None) -> Tensor:
        """Lower bounds of rows at `start`: `(S, B)`; with `both` `(2S, B)`, the second half those of the negated rows.

        Rows and their negatives share the walk until the first nonlinearity. The coefficients `(S, B, *)` of the input
        and of nonlinear nodes are left in `seen`.
        """
        pending: dict[str, Coefficient] = {start: rows}
        total = torch.zeros((), dtype=self.region.box().lower.dtype, device=self.region.box().lower.device)
        lost = total if self.rounding is None else total + TINY
        position = [node.name for node in self.graph.nodes].index(start)
        for node in reversed(self.graph.nodes[: position + 1]):
            coefficient = pending.pop(node.name, None)
            if node.name in self.multipliers:
                pull = Dense(self.multipliers[node.name])
                coefficient = pull if coefficient is None else coefficient.plus(pull)
            if coefficient is None:
                continue
            ends = node.name in self.stops or not isinstance(node.op, Affine) or not node.inputs
            if both and ends:
                pending = {name: other.with_negative() for name, other in pending.items()}
                coefficient = coefficient.with_negative()
                total, lost = doubled(total, -total), doubled(lost, lost)
                both = False
            if self.rounding is not None:
                loss = self.rounding[node.name]
                if node.name == start or node.name not in self.charged:
                    lost = lost + coefficient.reach(loss)
                lost = lost + TINY * flat(loss, 1).sum(1)  # coefficients that underflowed
            if node.name in self.shares:
                coefficient, level, off = self._balanced(node.name, coefficient)
                total, lost = total + level, lost + off
            if seen is not None and not isinstance(node.op, Affine):
                seen[node.name] = coefficient.dense()
            parts, constant = self._step(node, coefficient)
            total = total + constant
            for name, part in zip(node.inputs if parts else (), parts, strict=True):
                pending[name] = pending[name].plus(part) if name in pending else part  # fan-out adds up
        return (total - lost * SAFETY).nan_to_num(-torch.inf, -torch.inf, -torch.inf)

    def _balanced(self, name: str, coefficient: Coefficient) -> tuple[Coefficient, Tensor, Tensor | float]:
        """Coefficients of shares less a number for each sum, the sum of these numbers `(S, B)`, and what rounding can
        lose by that."""
        rest, level = balanced(coefficient.dense(), self.shares[name])
        level = flat(level, 2)
        if self.rounding is None:
            return Dense(rest), level.sum(2), 0.0
        off = gamma(level.shape[2], level.dtype) * level.abs().sum(2)
        return Dense(rest), level.sum(2), off + Dense(rest).reach(self.rounding[name])

    def _step(self, node: Node, coefficient: Coefficient) -> tuple[tuple[Coefficient, ...], Tensor | float]:
        """Forms over the node's arguments, and the constant `(S, B)` that stays behind."""
        if node.name in self.stops:
            return (), self._over_box(coefficient, self.stops[node.name])
        if isinstance(node.op, Input):
            if isinstance(self.region, Box):
                return (), self._over_box(coefficient, self.region.outer)
            return (), self.region.minimum(coefficient.dense())
        if isinstance(node.op, Affine):
            shapes = [torch.Size(self.graph.by_name[name].shape) for name in node.inputs]
            offset = self.offsets.get(node.name)
            return coefficient.through(node.op, shapes), 0.0 if offset is None else coefficient.dot(offset)
        part, constant = coefficient.relax(self.relaxations[type(node.op)], self.lines[node.name])
        return (part,), constant

    @staticmethod
    def _over_box(coefficient: Coefficient, box: Interval) -> Tensor:
        return coefficient.dot(box.center) - coefficient.magnitude_dot(box.radius)


def doubled(first: Tensor, second: Tensor) -> Tensor:
    """Two halves of rows; a number without rows yet is zero and stays one."""
    return torch.cat([first, second]) if first.dim() else first
