"""What is known about every node so far, in one arithmetic: intervals, lines, and what rounding can lose.

Two arithmetics exist: searching in any dtype as it comes, and proving in float64, where `rounding` makes every bound
one that holds for real numbers. With `deployed` it holds for the network as it is computed in that dtype as well: each
node's rounding there is one more bounded error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from verifier.bounding.backward import Backward
from verifier.bounding.deployed import lost_in_function, lost_in_sum
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.dense import Constant, Sum, batched
from verifier.graph.ops.softmax import Softmax
from verifier.interval import Interval
from verifier.numerics import TINY, enclose, gamma
from verifier.regions import Box, Region
from verifier.relaxations.relaxation import Lines, Relaxation, Slopes
from verifier.relaxations.table import RELAXATIONS, Table


@dataclass(eq=False)
class State:
    """Grows node by node in topological order: `enter` bounds a node by interval arithmetic and makes its lines.

    `straight` asks for lines; interval arithmetic alone needs none. `hull` says of a node that its interval can't be
    improved: "box" where in addition its entries vary independently.
    """

    graph: Graph
    region: Region
    rounding: bool
    relaxations: Table = field(default_factory=lambda: RELAXATIONS)
    straight: bool = True
    table: dict[str, Interval] = field(default_factory=dict)
    lines: dict[str, Lines] = field(default_factory=dict)
    losses: dict[str, Tensor] = field(default_factory=dict)
    hull: dict[str, str] = field(default_factory=dict)
    deployed: torch.dtype | None = None

    def enter(self, node: Node) -> Interval:
        """Bound `node` from its arguments' intervals."""
        if isinstance(node.op, Input):
            interval = self.region.box()
            self.losses[node.name] = self._gamma(node) * self.region.scale() + TINY
            if isinstance(self.region, Box):
                self.hull[node.name] = "box"
        elif isinstance(node.op, Affine):
            interval = self._affine(node, node.op)
        else:
            interval = self._nonlinear(node)
        self.table[node.name] = interval
        return interval

    def improve(self, name: str, interval: Interval) -> None:
        """Keep what both the known and a new interval allow. Of two proofs that exclude each other one is wrong."""
        known = self.table[name]
        if self.rounding and bool(((interval.lower > known.upper) | (interval.upper < known.lower)).any()):
            raise ArithmeticError(f"two proven intervals of {name} do not meet; this is a bug of verifier")
        self.table[name] = known.intersect(interval)

    def select(self, index: Tensor) -> "State":
        """What is known of the inputs at `index (N,)` of the batch."""
        return replace(
            self,
            region=self.region.select(index),
            table={name: interval[index] for name, interval in self.table.items()},
            lines={name: lines.select(index) for name, lines in self.lines.items()},
            losses={name: loss[index] for name, loss in self.losses.items()},
        )

    def backward(
        self,
        lines: dict[str, Lines] | None = None,
        stops: dict[str, Interval] | None = None,
        multipliers: dict[str, Tensor] | None = None,
        losses: dict[str, Tensor] | None = None,
    ) -> Backward:
        """A walk over what is known; `lines` and what they can lose replace the known ones."""
        lines, losses = {**self.lines, **(lines or {})}, {**self.losses, **(losses or {})}
        charged = self._charged(lines, multipliers or {}) if self.rounding else {}
        return Backward(
            self.graph,
            self.region,
            self.relaxations,
            lines,
            self.graph.offsets,
            stops or {},
            {**losses, **self._charges(lines, losses, charged)} if self.rounding else None,
            multipliers or {},
            self.shares,
            frozenset(charged),
        )

    def _charged(self, lines: Mapping[str, Lines], multipliers: Mapping[str, Tensor]) -> dict[str, str]:
        """Nodes whose rounding their only reader can account for, and that reader: a nonlinearity entry by entry. One
        product with the coefficients less; a quarter of the time of small networks' proofs went there."""
        found = {}
        for source, node in self.graph.only_readers.items():
            if node.name not in lines or source not in self.losses or source in multipliers:
                continue
            by_entry = type(self.relaxations[type(node.op)]).spread is Relaxation.spread
            if by_entry and node.shape == self.graph.by_name[source].shape:
                found[source] = node.name
        return found

    def _charges(
        self, lines: Mapping[str, Lines], losses: Mapping[str, Tensor], charged: Mapping[str, str]
    ) -> dict[str, Tensor]:
        """What rounding can lose at the readers, with what it can lose before them: a coefficient of 1 there is one of
        a slope here."""
        found: dict[str, Tensor] = {}
        for source, name in charged.items():
            slopes, loss = lines[name].slopes, found.get(source, losses[source])  # nodes come before their readers
            found[name] = losses[name] + torch.maximum(most(slopes.lower, loss), most(slopes.upper, loss)) * loss
        return found

    @property
    def shares(self) -> dict[str, Tensor]:
        """The widths of known nodes whose entries sum to one along the last axis; computed in a deployed type they
        don't quite."""
        if self.deployed is not None:
            return {}
        whole = [node.name for node in self.graph.nodes if isinstance(node.op, Softmax) and node.op.whole]
        return {name: self.table[name].radius for name in whole if name in self.table}

    def choose(self, name: str, slopes: Slopes) -> Lines:
        """The lines of a nonlinear node with other slopes."""
        node = self.graph.by_name[name]
        return self.relaxations[type(node.op)].lines(node.op, self.table[node.inputs[0]], slopes)

    def loss(self, name: str, lines: Lines) -> Tensor:
        """What rounding can lose at a nonlinear node, per coefficient of 1: `(B, *)`."""
        node = self.graph.by_name[name]
        relaxation = self.relaxations[type(node.op)]
        reach = self.table[node.inputs[0]].magnitude
        slopes = most(lines.slopes.lower, reach) + most(lines.slopes.upper, reach) + relaxation.steepness(node.op)
        size = slopes * reach if node.shape == reach.shape[1:] else (slopes * reach).sum(-1)
        size = size + self.table[name].magnitude
        for intercept in (lines.least, lines.greatest):
            if intercept is not None:
                size = size + most(intercept, size)
        window = reach[0].numel() // max(size[0].numel(), 1)  # entries that a maximum, and its lines, add up
        loss = self._gamma(node, window) * size + TINY
        if self.deployed is None:
            return loss
        return loss + lost_in_function(self.deployed, node.op, reach, self.table[name].magnitude)

    def _affine(self, node: Node, op: Affine) -> Interval:
        args = [self.table[name] for name in node.inputs]
        blurred = isinstance(op, Constant) and op.error is not None
        batch, magnitude = self.region.batch, self.graph.magnitudes[node.name]
        center = op.forward(*(x.center for x in args)).expand(batch, *node.shape)
        radius = magnitude.forward(*(x.radius for x in args)).expand(batch, *node.shape)
        if self.rounding:
            reach = magnitude.forward(*(x.magnitude for x in args))
            if node.name in self.graph.offsets:
                reach = reach + self.graph.offsets[node.name].abs()
            terms = op.terms([x.lower.shape[1:] for x in args], torch.Size(node.shape))
            loss = self._gamma(node, terms) * reach + TINY
            if self.deployed is not None and not op.moves:
                loss = loss + lost_in_sum(self.deployed, terms, reach)
            if isinstance(op, Constant) and op.error is not None:
                loss = loss + op.error
            self.losses[node.name] = loss.expand(batch, *node.shape)
            radius = radius + self.losses[node.name]
        self._inherit(node, op)
        if op.moves and not blurred:  # nothing is rounded
            lower, upper = op.forward(*(x.lower for x in args)), op.forward(*(x.upper for x in args))
            return Interval(lower.expand(batch, *node.shape), upper.expand(batch, *node.shape))
        interval = Interval(center - radius, center + radius)
        if self.rounding and self.deployed is None and isinstance(op, Sum) and len(args) == 2:
            interval = interval.intersect(two_summed(op, args))  # whole numbers stay whole
        return interval

    def _inherit(self, node: Node, op: Affine) -> None:
        """An affine image of a box has an exact hull; a diagonal one is a box again."""
        if len(node.inputs) != 1 or node.inputs[0] not in self.hull:
            return
        size = self.graph.by_name[node.inputs[0]].size
        if op.diagonal and size == node.size:
            self.hull[node.name] = self.hull[node.inputs[0]]
        elif self.hull[node.inputs[0]] == "box":
            self.hull[node.name] = "exact"

    def _nonlinear(self, node: Node) -> Interval:
        relaxation, x = self.relaxations[type(node.op)], self.table[node.inputs[0]]
        image = relaxation.image(node.op, x)
        if self.straight or self.rounding:
            self.lines[node.name] = relaxation.lines(node.op, x)
        if self.rounding:
            self.table[node.name] = image
            loss = self.losses[node.name] = self.loss(node.name, self.lines[node.name])
            if not relaxation.exact:
                image = Interval(image.lower - loss, image.upper + loss)
        if self.deployed is not None:
            return image
        low, high = relaxation.codomain(node.op)  # of the function; a runtime's own may leave it by a hair
        return Interval(image.lower.clamp(min=low), image.upper.clamp(max=high))

    def _gamma(self, node: Node, terms: int = 0) -> float:
        """Error of everything that touches an entry of the node: its own sum, the sums over the node's entries, and a
        few additions for each node of the graph."""
        if not self.rounding:
            return 0.0
        return gamma(terms + node.size + 4 * len(self.graph.nodes), self.region.box().lower.dtype)


def two_summed(op: Sum, args: Sequence[Interval]) -> Interval:
    """The sum of two intervals, rounded outwards, and only where it is no float."""
    rank = max(x.lower.dim() for x in args) - 1
    ends = []
    for side in (0, 1):
        parts = [(x.lower, x.upper)[side ^ (sign < 0)] * sign for x, sign in zip(args, op.signs, strict=True)]
        end = enclose(*(batched(part, rank) for part in parts))[side]
        ends.append(torch.where(end.isfinite(), end, (-math.inf, math.inf)[side]))  # an overflow is no bound
    return Interval(*ends)


def most(x: Tensor, like: Tensor) -> Tensor:
    """Largest absolute value over rows, where there are rows: `(S, B, *)` or `(B, *)` to `(B, *)`."""
    return x.abs().amax(0) if x.dim() > like.dim() else x.abs()


def check_boundable(graph: Graph, relaxations: Table) -> None:
    """Raises `UnsupportedModel` that lists every node that has no bounds yet."""
    missing: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.nonlinear and type(node.op) not in relaxations:
            missing.setdefault(node.op.label, []).append(node)
    if not missing:
        return
    rows = []
    for label, nodes in missing.items():
        places = ", ".join(f"{n.name} ({'x'.join(map(str, n.shape))})" for n in nodes[:3])
        rows.append(f"  can't bound yet: {label} at {places}" + (" ..." if len(nodes) > 3 else ""))
    raise UnsupportedModel(
        f"{len(missing)} kind(s) of node have no bounds yet:\n" + "\n".join(rows) + "\n"
        "The network can still be attacked. `verify --explain` lists all operators and their conditions."
    )
