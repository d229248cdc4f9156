"""Forward linear bounds: zonotopes over the inputs that vary (Singh et al. 2018, DeepZ).

Every node is `center + sum(e_i * generator_i) + rest`, with all symbols `e_i` in [-1, 1] and `|rest| <= remainder`.
The cost is one forward pass for each symbol, whatever the number of neurons, so this pays when few inputs vary. A
nonlinearity adds a symbol for each entry that is not linear there, as long as the budget allows, else a remainder.
"""

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from verifier.bounding.state import State
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.dense import Constant
from verifier.interval import Interval
from verifier.numerics import TINY, flat, gamma, shaped
from verifier.relaxations.relaxation import Relaxation, chord


@dataclass(frozen=True, eq=False)
class Form:
    """`center (B, *)`, `generators (G, B, *)`, `remainder (B, *)`; nodes with fewer symbols lack the last ones."""

    center: Tensor
    generators: Tensor
    remainder: Tensor

    @property
    def spread(self) -> Tensor:
        """The greatest distance from the centre: `(B, *)`."""
        return self.generators.abs().sum(0) + self.remainder

    @property
    def reach(self) -> Tensor:
        """At least the largest absolute value of what the form describes: `(B, *)`."""
        return self.center.abs() + self.spread

    def interval(self) -> Interval:
        return Interval(self.center - self.spread, self.center + self.spread)


class Zonotopes:
    """The forms of nodes entered so far; `state` supplies the arithmetic and takes the intervals."""

    def __init__(self, state: State, symbols: int) -> None:
        self.state, self.symbols = state, symbols
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
        """A symbol for each input entry that varies in some region of the batch, first of all for the widest."""
        box = self.state.region.box()
        radius = flat(box.radius, 1)
        widest = radius.amax(0).argsort(descending=True, stable=True)[: self.symbols]
        vary = widest[radius[:, widest].amax(0) > 0].sort().values
        self.used = len(vary)
        generators = radius.new_zeros(len(vary), *radius.shape)
        generators[torch.arange(len(vary)), :, vary] = radius[:, vary].T
        rest = radius.clone()
        rest[:, vary] = 0
        return self._rounded(Form(box.center, shaped(generators, 2, box.lower.shape[1:]), rest.reshape_as(box.lower)))

    def _affine(self, node: Node, op: Affine) -> Form:
        args = [self.forms[name] for name in node.inputs]
        magnitude = self.state.graph.magnitudes[node.name]
        offset = self.state.graph.offsets.get(node.name, self.state.graph.like.new_zeros((1, *node.shape)))
        batch = self.state.region.batch
        center = op.forward(*(a.center for a in args)).expand(batch, *node.shape)
        count = max((len(a.generators) for a in args), default=0)
        generators = center.new_zeros(count, *center.shape)
        if count:
            padded = [
                functional.pad(a.generators, (0, 0) * (a.center.dim()) + (0, count - len(a.generators))) for a in args
            ]
            generators = (op.forward(*(p.flatten(0, 1) for p in padded)) - offset).unflatten(0, (count, batch))
        remainder = magnitude.forward(*(a.remainder for a in args)).expand(batch, *node.shape)
        if self.state.rounding:
            reach = magnitude.forward(*(a.reach for a in args)) + 2 * offset.abs() * (1 + count)
            terms = op.terms([a.center.shape[1:] for a in args], torch.Size(node.shape))
            remainder = remainder + gamma(terms, center.dtype) * reach
        if self.state.deployed is not None or (isinstance(op, Constant) and op.error is not None):
            remainder = remainder + self.state.losses[node.name]
        return self._rounded(Form(center, generators, remainder))

    def _nonlinear(self, node: Node) -> Form:
        relaxation, x = self.state.relaxations[type(node.op)], self.state.table[node.inputs[0]]
        form = self.forms[node.inputs[0]]
        slope = _parallel(relaxation, node, x)
        least, greatest = relaxation.gap(node.op, x, slope)
        fused = node.shape != tuple(slope.shape[1:])
        center, generators, remainder = slope * form.center, slope * form.generators, slope.abs() * form.remainder
        size = Form(center, generators, remainder).reach
        if fused:
            center, generators, remainder, size = (part.sum(-1) for part in (center, generators, remainder, size))
        new = Interval(least, greatest)
        lost = self.state.losses[node.name] if self.state.rounding else torch.zeros_like(center)
        if self.state.rounding:
            terms = len(generators) + slope[0].numel() // max(center[0].numel(), 1) + 8
            lost = lost + gamma(terms, center.dtype) * (size + new.magnitude)
        form = Form(center + new.center, generators, remainder + lost)
        return self._rounded(self._with_symbols(form, new.radius))

    def _with_symbols(self, form: Form, radius: Tensor) -> Form:
        """New symbols for the entries with the largest radius, as many as the budget allows; a remainder for others."""
        sizes = flat(radius, 1)
        count = min(int((sizes > 0).sum(1).max()), self.symbols - self.used)
        if count <= 0:
            return replace(form, remainder=form.remainder + radius)
        size, place = sizes.topk(count, dim=1)
        fresh = sizes.new_zeros(count, *sizes.shape).scatter(2, place.T.unsqueeze(2), size.T.unsqueeze(2))
        rest = sizes.scatter(1, place, 0.0).reshape_as(radius)
        missing = (0, 0) * form.center.dim() + (0, self.used - len(form.generators))
        generators = torch.cat([functional.pad(form.generators, missing), shaped(fresh, 2, radius.shape[1:])])
        self.used += count
        return Form(form.center, generators, form.remainder + rest)

    def _rounded(self, form: Form) -> Form:
        """Room for the sums that read a form: its spread and its interval."""
        if not self.state.rounding:
            return form
        extra = gamma(len(form.generators) + 8, form.center.dtype) * form.reach + TINY
        return replace(form, remainder=form.remainder + extra)


def _parallel(relaxation: Relaxation, node: Node, x: Interval) -> Tensor:
    """One slope for both lines: of the usual ones that with the least gap."""
    guess = relaxation.guess(node.op, x)
    candidates = [guess.lower, guess.upper]
    if node.shape == tuple(x.lower.shape[1:]):
        candidates.append(chord(node.op.forward(x.lower), node.op.forward(x.upper), x))
    gaps = torch.stack([torch.sub(*reversed(relaxation.gap(node.op, x, slope))) for slope in candidates])
    best = gaps.argmin(0)
    if best.shape != x.lower.shape:
        best = best.unsqueeze(-1).expand_as(x.lower)
    return torch.stack(candidates).gather(0, best.unsqueeze(0))[0]
