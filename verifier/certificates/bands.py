"""Bands: every node lies within `middle +- (gap + remainder)`, middle and gap linear in symbols `e_j` in [-1, 1], one
for each input that varies (forward mode of Xu et al. 2020).

Where few inputs vary, products are kept to second order: a product of two symbols is a symbol of its own, and `e_j^2`
is `1/2 + 1/2 s_j`, so that sums of products cancel (polynomial zonotopes, Althoff 2013). What sums lose goes into
remainders: at most `gamma(K)` times the sum of the absolute values of all terms, the *reach*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier.certificates.affine import Map, size
from verifier.certificates.file import LARGEST
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.table import Forwards, Table
from verifier.graph.graph import Node
from verifier.graph.ops.product import Product
from verifier.graph.ops.smooth import Power

SQUARED = 12  # symbols whose products are few enough to have their own


@dataclass(frozen=True, eq=False)
class Band:
    """`middle`, `gap (1 + G, B, n)`: constants, then a coefficient for each symbol; nodes with fewer symbols lack the
    last ones. `remainder (B, n)`."""

    middle: Array
    gap: Array
    remainder: Array

    @property
    def reach(self) -> Array:
        return abs(self.middle).sum(0) + self.blur

    @property
    def blur(self) -> Array:
        """How far a node may be from its middle."""
        return abs(self.gap).sum(0) + self.remainder

    def part(self, at: slice) -> "Band":
        """Of some entries."""
        return Band(self.middle[..., at], self.gap[..., at], self.remainder[..., at])


class Bands(Forwards[Band]):
    """Intervals count where a nonlinear node or a row reads them."""

    def __init__(self, table: Table, symbols: int) -> None:
        super().__init__(table)
        self.symbols = symbols
        self.asked = {self.graph.output, *(self.graph.by_name[name].inputs[0] for name in table.network.rules)}
        self.squared = False  # has a product of symbols got one?
        self.vary, self.radius = np.zeros((0, 0), dtype=np.int64), self.numbers.zeros((0, 0))

    def tell(self, node: Node, form: Band) -> None:
        if node.name not in self.asked:
            return
        gap = self.numbers.padded(form.gap, len(form.middle))
        below, above = form.middle - gap, form.middle + gap
        rest = form.remainder + self._lost(form.reach, 2)
        lower, upper = below[0] - abs(below[1:]).sum(0) - rest, above[0] + abs(above[1:]).sum(0) + rest
        self.table.improve(node.name, lower, upper)

    def bound(self, rows: Array) -> tuple[Array, Array | None]:
        if not self.squared:  # walks find the same, or more
            return np.full(rows.shape[:2], -np.inf), None
        band, dot = self.forms[self.graph.output], self.numbers.dot
        form = np.stack([dot(rows, x) for x in band.middle])
        for i, gap in enumerate(band.gap):
            form[i] = form[i] - dot(abs(rows), gap)
        count = len(self.vary)
        constant, slope = leaning(form, count) if len(form) > 1 + count else (form[0], form[1:])
        lost = dot(abs(rows), self._lost(band.reach, rows.shape[2] + 8 * len(form))) + self.numbers.tiny
        bound = constant - abs(slope).sum(0) - dot(abs(rows), band.remainder) - lost
        found = self.numbers.zeros((*bound.shape, self.table.lower[self.graph.input.name].shape[1]))
        boxes = np.arange(len(found[0]))
        found[:, boxes, self.vary] = self.numbers.divide(slope, self.radius[:, None]).swapaxes(0, 1)
        known = self.numbers.finite(bound)
        return np.where(known, bound, -np.inf), np.where(known[..., None], found, self.numbers.zeros((1,)))

    def _lost(self, reach: Array, terms: int) -> Array:
        """By sums over `terms` entries and over all symbols."""
        symbols = len(self.vary) * (len(self.vary) + 3)  # twice as many as there can be
        lost: Array = self.numbers.gamma(2 * terms + 4 * symbols) * reach
        return lost + self.numbers.tiny

    def entered(self, node: Node) -> Band:
        boxes, entries = self.table.lower[node.name].shape
        if 8 * min(self.symbols, entries) * boxes * max(size(n.shape) for n in self.graph.nodes) > LARGEST:
            raise ValueError(f"bands over {self.symbols} inputs would take more than {LARGEST:,} bytes")
        center, generators, rest, self.vary = self.spread(node, self.symbols)
        self.radius = generators.sum(2)
        return Band(np.concatenate([center[None], generators]), generators[:0], rest)

    def mapped(self, node: Node, op: Map) -> Band:
        args, shape = [self.forms[name] for name in node.inputs], self.table.lower[node.name].shape

        def moved(arrays: Sequence[Array], absolute: bool) -> Array:
            count = max((len(x) for x in arrays), default=1)
            flat = [self.numbers.padded(x, count).reshape(-1, x.shape[2]) for x in arrays]
            return np.array(np.broadcast_to(op.forward(flat, absolute).reshape(count, -1, shape[1]), (count, *shape)))

        middle, gap = moved([a.middle for a in args], False), self.numbers.zeros((0, *shape))
        if any(len(a.gap) for a in args):
            gap = moved([a.gap for a in args], True)
        remainder, reach = (
            moved([a.remainder[None] for a in args], True)[0],
            moved([a.reach[None] for a in args], True)[0],
        )
        if op.offset is not None:
            middle[0], reach = middle[0] + op.offset, reach + abs(op.offset)
        if not op.moves:
            remainder = remainder + self._lost(reach, self.terms(node))
        return Band(middle, gap, remainder)

    def bent(self, node: Node) -> Band:
        """A line on each side: `low * (middle - gap) + least` and `high * (middle + gap) + greatest`, and where a slope
        is negative the ends swap."""
        band, group = self.forms[node.inputs[0]], self.table.network.rules[node.name].group
        if self._multiplies(node):
            self.squared = True
            pair = isinstance(node.op, Product)
            first, second = (band.part(slice(i, None, 2)) if pair else band for i in (0, 1))
            product = multiplied(first, second, len(self.vary), self.numbers)
            lost = self._lost(4 * first.reach * second.reach, 4)
            return replace(product, remainder=product.remainder + lost)
        line = self.table.lines[node.name]
        low, high, most = line.low, line.high, line.greatest
        least = self.numbers.zeros(most.shape) if line.least is None else line.least
        mean, half = self.numbers.divide(low + high, 2), self.numbers.divide(high - low, 2)
        lean, steep = self.numbers.divide(abs(high) - abs(low), 2), self.numbers.divide(abs(high) + abs(low), 2)
        count = len(band.gap)
        middle, gap = mean * band.middle, half * band.middle
        middle[:count], gap[:count] = middle[:count] + lean * band.gap, gap[:count] + steep * band.gap
        largest = np.maximum(abs(low), abs(high))
        remainder, reach = largest * band.remainder, 4 * largest * band.reach
        if group > 1:
            middle, gap, remainder, reach = (
                x.reshape(*x.shape[:-1], -1, group).sum(-1) for x in (middle, gap, remainder, reach)
            )
        middle[0] = middle[0] + self.numbers.divide(least + most, 2)
        gap[0] = gap[0] + self.numbers.divide(most - least, 2)
        return Band(middle, gap, remainder + self._lost(reach + 2 * (abs(least) + abs(most)), group))

    def linearises(self, node: Node) -> bool:
        return not self._multiplies(node)

    def _multiplies(self, node: Node) -> bool:
        """Is the node a product, of few enough symbols to have products of their own?"""
        bilinear = isinstance(node.op, Product) or (isinstance(node.op, Power) and node.op.exponent == 2)
        return bilinear and 0 < len(self.vary) <= SQUARED


def multiplied(first: Band, second: Band, count: int, numbers: Numbers) -> Band:
    """`(a_0 + straight + bent) * (b_0 + other + curved)` of bands over `count` symbols: exact are the terms of up to
    two of these. What rounding loses is not in it."""
    j, k = np.triu_indices(count)
    a, b = (numbers.padded(band.middle, 1 + count + len(j)) for band in (first, second))
    middle = a[0] * b + b[0] * a
    middle[0] = a[0] * b[0]
    straight, other = a[1 : 1 + count], b[1 : 1 + count]
    same = (j == k)[:, None, None]
    crossed = straight[j] * other[k] + np.where(same, 0, straight[k] * other[j])
    crossed = np.where(same, numbers.divide(crossed, 2), crossed)
    middle[0] = middle[0] + np.where(same, crossed, 0).sum(0)
    middle[1 + count :] = middle[1 + count :] + crossed
    linear, bent, line, curved = (abs(x).sum(0) for x in (straight, a[1 + count :], other, b[1 + count :]))
    missed = abs(a).sum(0) * second.blur + second.reach * first.blur + bent * (line + curved) + linear * curved
    return Band(middle, middle[:0], missed)


def leaning(form: Array, count: int) -> tuple[Array, Array]:
    """A linear function of `count` symbols below a form `(1 + count + M, *)`: its constant `(*)` and slopes `(count,
    *)`. With `h = +-e` at 1 where the linear part is least, `h_j h_k` is above `h_j + h_k - 1`, and `h^2` above its
    tangents `2 t h - t^2`. Any shares in [0, 1] of these are sound; larger ones would turn slopes round."""
    j, k = np.triu_indices(count)
    own = j == k
    straight, products = form[1 : 1 + count], form[1 + count :]
    side = -np.sign(straight)
    squares = 2 * np.maximum(products[own], 0)
    mixed = np.maximum(products[~own] * side[j[~own]] * side[k[~own]], 0)
    rise = summed(mixed, j[~own], k[~own], count)
    total = rise + 2 * squares
    share = np.where(total > abs(straight), abs(straight) / np.where(total > 0, total, 1), 1)
    rise = summed(mixed * np.minimum(share[j[~own]], share[k[~own]]), j[~own], k[~own], count)
    slope = straight + side * (rise + 2 * share * squares)
    return form[0] - abs(products).sum(0) - (share * share * squares).sum(0), slope


def summed(mixed: Array, j: Array, k: Array, count: int) -> Array:
    """What products `(M, *)` add to the slopes of their factors `j`, `k`: `(count, *)`."""
    found = np.zeros((count, *mixed.shape[1:]), dtype=mixed.dtype)
    for i in range(count):
        found[i] = mixed[(j == i) | (k == i)].sum(0)
    return found
