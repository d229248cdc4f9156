"""Parts of images. A walk from a few entries meets few of those that convolutions before them read, and with all other
coefficients, which are zero, it would take as long as one from everywhere.

Nodes are images `(N, C, *space)` here. `Spans` are the first place of a part along each axis of space, and the one
behind its last; they may reach beyond the image where it is padded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from verifier.certificates.numbers import ENTRIES, Array
from verifier.graph.graph import Graph

Shape = tuple[int, ...]
Spans = tuple[tuple[int, int], ...]
ALL = (slice(None),) * 3  # coefficients, the file's batch axis, channels
STRIP = 8  # places of an image's first axis whose entries are walked from together


@dataclass(frozen=True, eq=False)
class Local:
    """How an affine op moves parts of images: `met` says which part of its arguments a part of its output is made of,
    and `back` takes coefficients `(M, n)` of a crop to those of that part, `(M, N, C, *part)`, of each argument."""

    met: Callable[[Spans], Spans]
    back: "Callable[[Array, Crop], tuple[Array, ...]]"


SAME = Local(lambda spans: spans, lambda a, crop: (a.reshape(-1, *crop.sizes),))  # entry by entry


@dataclass(frozen=True, eq=False)
class Crop:
    """What a walk meets of a node: the part within `spans`, or all of it (None)."""

    shape: Shape
    spans: Spans | None = None

    @cached_property
    def index(self) -> Array:
        """The places of its entries in the node, ascending."""
        places = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        if self.spans is not None:
            places = places[(*ALL[:2], *(slice(*span) for span in self.spans))]
        return places.reshape(-1)

    @property
    def sizes(self) -> Shape:
        """Of the part, `(N, C, *part)`."""
        if self.spans is None:
            return self.shape
        return (*self.shape[:2], *(last - first for first, last in self.spans))

    @property
    def size(self) -> int:
        return int(np.prod(self.sizes, dtype=np.int64))

    def cut(self, x: Array) -> Array:
        """Of what all entries have, `(..., n)`, the part's."""
        return x if self.spans is None else x[..., self.index]

    def placed(self, x: Array, spans: Spans) -> Array:
        """Coefficients `(M, N, C, *part)` of the part at `spans`, which may reach beyond the image, as `(M, n)` of this
        one, which holds all that lies in the image."""
        own = self.spans or _all(self.shape)
        if own == spans:
            return x.reshape(len(x), -1)
        if any(c < a or b < d for (a, b), (c, d) in zip(own, _inside(spans, self.shape), strict=True)):
            raise ValueError("a walk meets more than it was to meet")
        both = [(max(a, c), max(a, c, min(b, d))) for (a, b), (c, d) in zip(own, spans, strict=True)]
        out = np.zeros((len(x), *self.sizes), dtype=x.dtype)
        here = [slice(a - first, b - first) for (a, b), (first, _) in zip(both, own, strict=True)]
        there = [slice(a - first, b - first) for (a, b), (first, _) in zip(both, spans, strict=True)]
        out[(*ALL, *here)] = x[(*ALL, *there)]
        return out.reshape(len(x), -1)


def met(graph: Graph, locals_: Mapping[str, Local], start: str, index: Array) -> dict[str, Crop]:
    """Of each node up to `start` what a walk from its entries `index` meets."""
    shape = graph.by_name[start].shape
    wanted: dict[str, Spans | None] = {start: _around(shape, index) if start in locals_ else None}
    crops = dict[str, Crop]()
    for node in reversed(graph.nodes):
        if node.name not in wanted:
            continue
        spans, local = wanted[node.name], locals_.get(node.name)
        if local is None or spans == _all(node.shape):
            spans = None
        crops[node.name] = Crop(node.shape, spans)
        for name in node.inputs:
            part = None if spans is None or local is None else _inside(local.met(spans), graph.by_name[name].shape)
            known = wanted.get(name, part)
            wanted[name] = None if part is None or known is None else _joined(known, part)
    return crops


def near(shape: Shape) -> Array:
    """The entries of an image in an order in which neighbours are near each other: strip by strip, column by column."""
    if len(shape) < 3:
        return np.arange(int(np.prod(shape)))
    place = np.indices(shape).reshape(len(shape), -1)
    channels, first, others = place[:2], place[2], place[3:]
    return np.lexsort((*channels, first % STRIP, *others, first // STRIP))


def parts(count: int, width: Callable[[slice], int]) -> Iterator[slice]:
    """`count` rows in parts that fit into memory; `width` tells how many numbers a row of a part has."""
    first, step = 0, 1
    while first < count:
        while step > 1 and step * width(slice(first, first + step)) > ENTRIES:
            step //= 2
        while first + step < count and 2 * step * width(slice(first, first + 2 * step)) <= ENTRIES:
            step *= 2
        yield slice(first, min(first + step, count))
        first += step


def _all(shape: Shape) -> Spans:
    return tuple((0, n) for n in shape[2:])


def _around(shape: Shape, index: Array) -> Spans:
    place = np.unravel_index(index.reshape(-1), shape)[2:]
    return tuple((int(axis.min()), int(axis.max()) + 1) for axis in place)


def _inside(spans: Spans, shape: Shape) -> Spans:
    """The part of the image; where there is only padding its nearest place, as no part is empty."""
    found = []
    for (first, last), n in zip(spans, shape[2:], strict=True):
        low = min(max(first, 0), n - 1)
        found.append((low, max(min(last, n), low + 1)))
    return tuple(found)


def _joined(one: Spans, other: Spans) -> Spans:
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
