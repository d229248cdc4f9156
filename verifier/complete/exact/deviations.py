"""How far the nodes of a network can get from their values at a centre.

All bounds are local: a layer's deviation `z(x) - z(centre)` is bounded over this region, so that dead neurons pass on
nothing. `|z(x) - z(centre)| <= scale * |u|` entry by entry, with `|u|_2 <= spread`.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse

from verifier.complete.exact.builder import Form, Index, ProgramBuilder
from verifier.complete.exact.encode import ends, moves
from verifier.complete.exact.matrix import matrices
from verifier.complete.exact.norms import length, spectral_norm
from verifier.complete.exact.pieces import Pieces, pieces
from verifier.complete.exact.program import Vector
from verifier.complete.exact.safe import rounding
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.activation import Sigmoid, Tanh
from verifier.graph.ops.pool import Max
from verifier.interval import Interval
from verifier.numerics import SAFETY


@dataclass(frozen=True, eq=False)
class Block:
    """Deviations of one node's entries: columns, `scale` and `spread`; `least` and `most` are slopes of the
    nonlinearity between the node's argument, which deviates as `argument` says, and its value."""

    index: Index
    scale: Vector
    spread: float
    least: Vector
    most: Vector
    argument: Form | None


@dataclass(eq=False)
class Deviations:
    """How far every node can get from its value at the centre: a walk, in `ProgramBuilder`'s forms over blocks."""

    graph: Graph
    table: dict[str, Interval]
    scale: Vector
    spread: float
    build: ProgramBuilder = field(default_factory=ProgramBuilder)
    blocks: list[Block] = field(default_factory=list)
    forms: dict[str, Form] = field(default_factory=dict)

    def run(self) -> "Deviations":
        for node in self.graph.nodes:
            if isinstance(node.op, Input):
                one = np.ones_like(self.scale)
                form = self._block(self.scale, self.spread, one, one, None)
            elif isinstance(node.op, Affine):
                shapes, out = [torch.Size(self.graph.by_name[n].shape) for n in node.inputs], torch.Size(node.shape)
                parts = list(zip(matrices(node.op, shapes, out), (self.forms[n] for n in node.inputs), strict=True))
                form = self.build.combine(parts, np.zeros(out.numel()), node.op.terms(shapes, out), moves(node.op))
            else:
                form = self._nonlinear(node)
            self.forms[node.name] = form
        return self

    def rows(self, rows: Vector) -> Vector:
        """At least how far each of `rows (k, n)` of the output can get from its value at the centre."""
        form = self.output(rows)
        total = form.error.copy()
        dense = form.matrix.toarray()
        for block in self.blocks:
            if block.index[-1] < dense.shape[1]:
                part = np.abs(dense[:, block.index]) * block.scale
                total += np.array([length(row) for row in part]) * block.spread * SAFETY
        return total * (1 + rounding(len(self.blocks)))

    def output(self, rows: Vector) -> Form:
        """`rows (k, n)` of the output as a form."""
        parts = [(sparse.csr_array(rows), self.forms[self.graph.output])]
        return self.build.combine(parts, np.zeros(len(rows)), 1, moves=False)

    def reach(self, form: Form) -> float:
        """At least the length of a form's deviations."""
        total = length(form.error)
        for block in self.blocks:
            if block.index[-1] < form.matrix.shape[1]:
                part = sparse.csr_array(form.matrix[:, block.index] @ sparse.diags_array(block.scale))
                total += spectral_norm(part) * block.spread * SAFETY
        return total * (1 + rounding(len(self.blocks)))

    def _nonlinear(self, node: Node) -> Form:
        name = node.inputs[0]
        low, high = ends(self.table[name])
        form = self.forms[name]
        spread = min(self.reach(form), length(high - low) * SAFETY)
        if isinstance(node.op, Max):
            one = np.ones(node.size)
            return self._block(one, spread, -one, one, None)
        least, most = slopes(node, low, high)
        return self._block(np.maximum(np.abs(least), np.abs(most)), spread, least, most, form)

    def _block(self, scale: Vector, spread: float, least: Vector, most: Vector, argument: Form | None) -> Form:
        reach = scale * spread * SAFETY
        index = self.build.columns(-reach, reach)
        self.blocks.append(Block(index, scale, spread, least, most, argument))
        return self.build.unit(index)


def slopes(node: Node, low: Vector, high: Vector) -> tuple[Vector, Vector]:
    """Least and greatest slope of a function of one variable over an interval.

    Raises:
        UnsupportedModel: it jumps, or is not known here.
    """
    if isinstance(node.op, Sigmoid | Tanh):
        return np.zeros_like(low), np.full_like(low, 0.25 if isinstance(node.op, Sigmoid) else 1.0)
    found: Pieces | None = pieces(node.op, node.shape)
    if found is None:
        raise UnsupportedModel(f"{node.op.label} at {node.name} has no Lipschitz bound here")
    inner = found.breaks
    begins = np.concatenate([np.full((1, len(low)), -np.inf), inner])
    stops = np.concatenate([inner, np.full((1, len(low)), np.inf)])
    meets = (begins <= high) & (low <= stops)
    return np.where(meets, found.slope, np.inf).min(axis=0), np.where(meets, found.slope, -np.inf).max(axis=0)
