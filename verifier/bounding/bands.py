"""Forward linear bounds with a line on each side: bands (ReluVal and Neurify, Wang et al. 2018; forward mode of Xu et
al. 2020) over the inputs that vary.

Every node lies within `middle +- (gap + remainder)`, where middle and gap are linear in symbols `e_i` in [-1, 1]. A
nonlinearity takes its two lines as they are, whatever their slopes; an affine op moves the middle by its `forward` and
the gap by its `abs()`. The cost is two forward passes for each symbol. Sums over a first nonlinearity get the very
bounds that a walk back finds, for all entries at once; behind that they are looser.
"""

import sys
from dataclasses import replace

import torch
from torch import Tensor

from verifier.bounding.band import BENT, DEEP, MIXED, STRAIGHT, Band
from verifier.bounding.monomials import leaning, multiplied
from verifier.bounding.state import State
from verifier.bounding.symbols import spread, symbols
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input, Op
from verifier.graph.ops.dense import Constant
from verifier.graph.ops.product import Product
from verifier.graph.ops.smooth import Power
from verifier.numerics import SAFETY, TINY, flat, gamma, padded, pair, shaped, total
from verifier.regions import Box

SQUARED = 12  # symbols whose products are few enough to have their own


class Bands:
    """The bands of all nodes entered so far; `state` supplies lines and what rounding loses, and takes intervals."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.asked = {n.inputs[0] for n in state.graph.nodes if n.nonlinear}
        self.asked.add(state.graph.output)
        self.vary = symbols(state.region.box(), sys.maxsize)
        self.squared = False  # have products of symbols got one?
        self.bands: dict[str, Band] = {}

    def enter(self, node: Node) -> None:
        """Bound a node that `state` has entered, and pass on what is tighter."""
        if isinstance(node.op, Input):
            band = self._input()
        elif isinstance(node.op, Affine):
            band = self._affine(node, node.op)
        else:
            band = self._nonlinear(node)
        band = self._rounded(band)
        if node.name in self.asked:
            interval, size = band.ends()
            self.state.improve(node.name, interval)
            band = replace(band, size=torch.minimum(band.size, size * SAFETY))
        self.bands[node.name] = band

    def tight(self, name: str) -> bool:
        """Does a walk back from this node find nothing better?"""
        return self.bands[name].level < DEEP and isinstance(self.state.region, Box)

    def _input(self) -> Band:
        box = self.state.region.box()
        generators, rest = spread(flat(box.radius, 1), self.vary)
        middle = shaped(torch.cat([flat(box.center, 1).unsqueeze(0), generators]), 2, box.lower.shape[1:])
        return Band(middle, None, rest.reshape_as(box.lower), box.center.abs() + box.radius, STRAIGHT)

    def _affine(self, node: Node, op: Affine) -> Band:
        args = [self.bands[name] for name in node.inputs]
        state, batch = self.state, self.state.region.batch
        magnitude, offset = state.graph.magnitudes[node.name], state.graph.offsets.get(node.name)
        count = max((len(a.middle) for a in args), default=1)
        middle = _all(op, [padded(a.middle, count) for a in args], count, batch, node.shape)
        if offset is not None and args:
            middle[1:] -= offset
        elif not args:
            middle = middle * (torch.arange(count) == 0).reshape(-1, *(1,) * (middle.dim() - 1))
        gap = None
        if any(a.gap is not None for a in args):
            gaps = [torch.zeros_like(a.middle) if a.gap is None else a.gap for a in args]
            gap = _all(magnitude, [padded(g, count) for g in gaps], count, batch, node.shape)
        remainder = magnitude.forward(*(a.remainder for a in args)).expand(batch, *node.shape)
        size = magnitude.forward(*(a.size for a in args)).expand(batch, *node.shape)
        if state.rounding:
            reach = size if offset is None else size + (2 + 2 * count) * offset.abs()
            terms = op.terms([a.remainder.shape[1:] for a in args], torch.Size(node.shape))
            remainder = remainder + gamma(terms, size.dtype) * reach
        if state.deployed is not None or (isinstance(op, Constant) and op.error is not None):
            remainder = remainder + state.losses[node.name]
        size = size if offset is None else size + offset.abs()
        return Band(middle, gap, remainder, size, _level(op, args))

    def _nonlinear(self, node: Node) -> Band:
        """`slope * (middle - gap) + least` and `slope * (middle + gap) + greatest`; where a slope is negative the ends
        swap."""
        band = self.bands[node.inputs[0]]
        if self.multiplies(node.op):
            self.squared = True
            factors = (band.entry(0), band.entry(1)) if isinstance(node.op, Product) else (band, band)
            return multiplied(*factors, len(self.vary), self.state.losses.get(node.name))
        lines = self.state.lines[node.name]
        low, high = lines.slopes.lower, lines.slopes.upper
        middle, gap = (low + high) / 2 * band.middle, (high - low) / 2 * band.middle
        if band.gap is not None:
            middle = middle + (high.abs() - low.abs()) / 2 * band.gap
            gap = gap + (high.abs() + low.abs()) / 2 * band.gap
        steep = torch.maximum(low.abs(), high.abs())
        remainder, size = steep * band.remainder, steep * band.size
        if node.shape != tuple(low.shape[1:]):
            middle, gap, remainder, size = (part.sum(-1) for part in (middle, gap, remainder, size))
        zero = torch.zeros_like(remainder)
        least = zero if lines.least is None else lines.least
        greatest = zero if lines.greatest is None else lines.greatest
        middle[0] += (least + greatest) / 2
        gap[0] += (greatest - least) / 2
        size = size + least.abs() + greatest.abs()
        if self.state.rounding:
            window = low[0].numel() // max(zero[0].numel(), 1)
            remainder = remainder + 2 * gamma(window + 8, size.dtype) * size + self.state.losses[node.name]
        return Band(middle, gap, remainder, size, BENT if band.level == STRAIGHT else DEEP)

    def multiplies(self, op: Op) -> bool:
        """Is the op a product, of few enough symbols to have products of their own?"""
        bilinear = isinstance(op, Product) or (isinstance(op, Power) and op.exponent == 2)
        return bilinear and 0 < len(self.vary) <= SQUARED

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Lower bounds `(S, B)` of `rows (S, B, *out)` at the output, and their slopes `(S, B, *in)`."""
        band, weight = self.bands[self.state.graph.output], flat(rows, 2)
        below = torch.einsum("sbn,gbn->gsb", weight, flat(band.middle, 2))
        if band.gap is not None:
            below[: len(band.gap)] -= torch.einsum("sbn,gbn->gsb", weight.abs(), flat(band.gap, 2))
        rest = pair(weight.abs(), flat(band.remainder, 1))
        if self.state.rounding:
            reach = pair(weight.abs(), flat(band.size + band.remainder, 1))
            rest = rest + 2 * gamma(weight.shape[2] + 4 * len(below) + 16, reach.dtype) * reach + TINY
        constant, straight = below[0], below[1:]
        if len(straight) > len(self.vary):
            constant, straight = leaning(below, len(self.vary))
        bound = constant - total(straight) - rest * SAFETY
        radius, index = flat(self.state.region.box().radius, 1), self.vary.T
        own = (straight / radius.gather(1, index).T.unsqueeze(1)).movedim(0, 2)
        slope = weight.new_zeros(*bound.shape, radius.shape[1]).scatter(2, index.expand_as(own), own)
        return bound.nan_to_num(-torch.inf, -torch.inf, -torch.inf), shaped(
            slope.nan_to_num(0.0, 0.0, 0.0), 2, self.state.region.shape
        )

    def _rounded(self, band: Band) -> Band:
        """Room for the sums that read a band."""
        if not self.state.rounding:
            return band
        size = (band.size + band.remainder) * SAFETY
        extra = 2 * gamma(2 * len(band.middle) + 8, size.dtype) * size + TINY
        return replace(band, remainder=band.remainder + extra, size=size + extra)


def _level(op: Affine, args: list[Band]) -> int:
    bent = [a.level for a in args if a.level != STRAIGHT]
    if not bent or op.moves or op.diagonal:
        return max(bent, default=STRAIGHT)
    return MIXED if bent == [BENT] else DEEP


def _all(op: Affine, args: list[Tensor], count: int, batch: int, shape: tuple[int, ...]) -> Tensor:
    """`op` of all coefficients `(count, B, *)` at once."""
    if not args:
        return op.forward().expand(count, batch, *shape).clone()
    out = op.forward(*(a.flatten(0, 1) for a in args))
    return out.unflatten(0, (count, batch))
