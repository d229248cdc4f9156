"""Forward linear bounds: zonotopes over the inputs that vary (Singh et al. 2018, DeepZ).

Every node is `center + sum(e_i * generator_i) + rest`, with all symbols `e_i` in [-1, 1] and `|rest| <= remainder`.
The cost is one forward pass for each symbol, whatever the number of neurons, so this pays when few inputs vary, or few
neurons of many are undecided. A nonlinearity adds a symbol for each entry that is not linear there, as long as the
budget allows, else a remainder.
"""

import sys
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.bounding.state import State
from verifier.bounding.symbols import spread, symbols
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.dense import Constant
from verifier.interval import Interval
from verifier.numerics import TINY, flat, gamma, padded, shaped, total

COPIES = 3  # tensors of the size of a node's generators at a time


@dataclass(frozen=True, eq=False)
class Form:
    """`center (B, *)`, `generators (G, B, *)`, `remainder (B, *)`; nodes with fewer symbols lack the last ones. `swing
    (B, *)` is the sum of the generators' absolute values, which is as much work as making them."""

    center: Tensor
    generators: Tensor
    remainder: Tensor
    swing: Tensor

    @classmethod
    def of(cls, center: Tensor, generators: Tensor, remainder: Tensor) -> "Form":
        return cls(center, generators, remainder, total(generators))

    @property
    def spread(self) -> Tensor:
        """The greatest distance from the centre: `(B, *)`."""
        return self.swing + self.remainder

    @property
    def reach(self) -> Tensor:
        """At least the largest absolute value of what the form describes: `(B, *)`."""
        return self.center.abs() + self.spread

    def interval(self) -> Interval:
        return Interval(self.center - self.spread, self.center + self.spread)


class Zonotopes:
    """The forms of nodes entered so far; `state` supplies the arithmetic and takes the intervals."""

    def __init__(self, state: State, symbols: int, bytes: int = sys.maxsize) -> None:
        self.state = state
        self.room = room(state.graph, state.region.batch, symbols, bytes)
        self.forms: dict[str, Form] = {}
        self.readers = Counter(state.graph.uses)  # of each node, that are still to come
        self.used = 0  # symbols so far; branches that part and meet again must not share their new ones

    def enter(self, node: Node) -> None:
        """Bound a node that `state` has entered, and pass on what is tighter."""
        if isinstance(node.op, Input):
            form = self._input()
        elif isinstance(node.op, Affine):
            form = self._affine(node, node.op)
        else:
            form = self._nonlinear(node)
        self.forms[node.name] = form
        self.state.improve(node.name, form.interval())

    def forget(self, node: Node) -> None:
        """Drop the forms that `node` was the last to read."""
        self.readers.subtract(node.inputs)
        for name in set(node.inputs):
            if not self.readers[name]:
                del self.forms[name]

    def rows(self, rows: Tensor) -> Tensor:
        """Lower bounds `(S, B)` of `rows (S, B, *out)` at the output."""
        form = self.forms[self.state.graph.output]
        weight = flat(rows, 2)
        center = (weight * flat(form.center, 1)).sum(2)
        swing = torch.einsum("sbn,gbn->gsb", weight, flat(form.generators, 2)).abs().sum(0)
        bound = center - swing - (weight.abs() * flat(form.remainder, 1)).sum(2)
        if self.state.rounding:
            reach = (weight.abs() * flat(form.reach, 1)).sum(2)
            bound = bound - gamma(weight.shape[2] + len(form.generators) + 4, bound.dtype) * reach - TINY
        return bound

    def _input(self) -> Form:
        box = self.state.region.box()
        index = symbols(box, self.room[self.state.graph.input.name])
        generators, rest = spread(flat(box.radius, 1), index)
        self.used = len(index)
        form = Form.of(box.center, shaped(generators, 2, box.lower.shape[1:]), rest.reshape_as(box.lower))
        return self._rounded(form)

    def _affine(self, node: Node, op: Affine) -> Form:
        args = [self.forms[name] for name in node.inputs]
        magnitude, offset = self.state.graph.magnitudes[node.name], self.state.graph.offsets.get(node.name)
        batch = self.state.region.batch
        center = op.forward(*(a.center for a in args)).expand(batch, *node.shape)
        remainder = magnitude.forward(*(a.remainder for a in args)).expand(batch, *node.shape)
        generators = self._moved(op, args, center)
        if self.state.rounding:
            reach = magnitude.forward(*(a.reach for a in args))
            if offset is not None:
                reach = reach + 2 * offset.abs() * (1 + len(generators))
            terms = op.terms([a.center.shape[1:] for a in args], torch.Size(node.shape))
            remainder = remainder + gamma(terms, center.dtype) * reach
        if self.state.deployed is not None or (isinstance(op, Constant) and op.error is not None):
            remainder = remainder + self.state.losses[node.name]
        if op.moves and len(args) == 1:
            swing = magnitude.forward(args[0].swing).expand(batch, *node.shape)
            return self._rounded(Form(center, generators, remainder, swing))
        return self._rounded(Form.of(center, generators, remainder))

    @staticmethod
    def _moved(op: Affine, args: list[Form], center: Tensor) -> Tensor:
        """The generators behind an affine op: its linear part of those before."""
        count = max((len(a.generators) for a in args), default=0)
        if not count:
            return center.new_zeros(0, *center.shape)
        full = [padded(a.generators, count) for a in args]
        return op.linear(*(g.flatten(0, 1) for g in full)).unflatten(0, (count, len(center)))

    def _nonlinear(self, node: Node) -> Form:
        relaxation, x = self.state.relaxations[type(node.op)], self.state.table[node.inputs[0]]
        form = self.forms[node.inputs[0]]
        slope = relaxation.parallel(node.op, x, self.state.lines[node.name].slopes)
        least, greatest = relaxation.gap(node.op, x, slope)
        fused = node.shape != tuple(slope.shape[1:])
        center, remainder, size = slope * form.center, slope.abs() * form.remainder, slope.abs() * form.reach
        if fused:
            center, remainder, size = center.sum(-1), remainder.sum(-1), size.sum(-1)
        new = Interval(least, greatest)
        lost = self.state.losses[node.name] if self.state.rounding else torch.zeros_like(center)
        if self.state.rounding:
            terms = len(form.generators) + slope[0].numel() // max(center[0].numel(), 1) + 8
            lost = lost + gamma(terms, center.dtype) * (size + new.magnitude)
        count, known = self._fresh(node, new.radius), form.generators
        generators = known.new_zeros(self.used + count if count else len(known), *center.shape)
        if fused:
            generators[: len(known)] = (slope * known).sum(-1)
        else:
            torch.mul(known, slope, out=generators[: len(known)])
        rest = self._with_symbols(generators, new.radius, count)
        return self._rounded(Form.of(center + new.center, generators, remainder + lost + rest))

    def _fresh(self, node: Node, radius: Tensor) -> int:
        """How many new symbols entries of such a radius get: as many as the budget allows."""
        return max(0, min(int((flat(radius, 1) > 0).sum(1).max()), self.room[node.name] - self.used))

    def _with_symbols(self, generators: Tensor, radius: Tensor, count: int) -> Tensor:
        """New symbols for the `count` entries with the largest radius; the radius of the others, a remainder."""
        if not count:
            return radius
        sizes = flat(radius, 1)
        size, place = sizes.topk(count, dim=1)
        flat(generators, 2)[self.used :].scatter_(2, place.T.unsqueeze(2), size.T.unsqueeze(2))
        self.used += count
        return sizes.scatter(1, place, 0.0).reshape_as(radius)

    def _rounded(self, form: Form) -> Form:
        """Room for the sums that read a form: its spread and its interval."""
        if not self.state.rounding:
            return form
        extra = gamma(len(form.generators) + 8, form.center.dtype) * form.reach + TINY
        return replace(form, remainder=form.remainder + extra)


def room(graph: Graph, batch: int, symbols: int, bytes: int) -> dict[str, int]:
    """How many symbols there can be at each node and behind it: the largest node behind it holds them all."""
    found, largest = dict[str, int](), 1
    for node in reversed(graph.nodes):
        largest = max(largest, node.size)
        found[node.name] = min(symbols, bytes // (COPIES * 8 * batch * largest))
    return found
