"""Nonlinearities that only intervals bound: what is read and written at computed places, and where the greatest is.

Their lines are level; any other slope is sound, too, and pays for what it moves.
"""

import math

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.place import ArgMost, CutAt, PutAt
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes


class Level(Relaxation):
    """`image` is all that a kind must state; nothing in it is rounded."""

    exact = True

    def steepness(self, op: Op) -> float:
        return 0.0

    def guess(self, op: Op, x: Interval) -> Slopes:
        zero = torch.zeros_like(x.lower)
        return Slopes(zero, zero)

    def linear(self, op: Op, x: Interval) -> Tensor:
        """An entry that does not vary can't be bounded more tightly."""
        return x.lower == x.upper

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        image = self.image(op, x)
        ends = [torch.where(slope == 0, 0.0, slope * end) for end in (x.lower, x.upper)]
        return image.lower - self.gathered(torch.maximum(*ends)), image.upper - self.gathered(torch.minimum(*ends))

    def gathered(self, part: Tensor) -> Tensor:
        """What the argument's entries add to each entry of the result; a square op has one for each."""
        return part

    def image(self, op: Op, x: Interval) -> Interval:
        raise NotImplementedError


class Cut(Level):
    """Each entry lies in the hull of those that it can be, from the first possible start to the last."""

    conditions = "exact where the place is known; else the hull over all places that it can be"

    def image(self, op: Op, x: Interval) -> Interval:
        assert isinstance(op, CutAt)
        data = [end[:, : op.rows * op.size].unflatten(1, (op.rows, op.size)) for end in (x.lower, x.upper)]
        first, last = (end[:, op.read - 1].round().clamp(-1, op.size) for end in (x.lower, x.upper))
        step = torch.arange(op.length, device=first.device)
        a, b = first.long().unsqueeze(1) + step, last.long().unsqueeze(1) + step
        lower, upper = -greatest_between(-data[0], a, b), greatest_between(data[1], a, b)
        short = (b >= op.size).unsqueeze(1)
        lower = torch.where(short, lower.clamp(max=op.missing), lower)
        upper = torch.where(short, upper.clamp(min=op.missing), upper)
        unsure = (first < 0).reshape(-1, 1, 1) | (short if math.isnan(op.missing) else torch.zeros_like(short))
        return squared(torch.where(unsure, -math.inf, lower), torch.where(unsure, math.inf, upper), x)


class Put(Level):
    """Rows whose place is known replace; over the box of places that another can have, what is there may be its row."""

    conditions = "exact where the places are known; else the hull over all places that they can be"

    def image(self, op: Op, x: Interval) -> Interval:
        assert isinstance(op, PutAt)
        (low, first, below), (high, last, above) = op.parts(x.lower), op.parts(x.upper)
        sizes = torch.tensor(op.sizes, dtype=first.dtype, device=first.device)
        wrong = first < -sizes if op.passes else (first < -sizes) | (last >= sizes)
        first, last = from_front(first, last, sizes)
        never, maybe = (first >= sizes).any(2), (last >= sizes).any(2)
        sure = (first == last).all(2) & ~maybe
        low, high = replaced(op, first, sure, (low, high), (below, above))
        loose = ~sure & ~never
        cover = covered(op, first.clamp(max=sizes - 1), torch.minimum(last, sizes - 1), loose)
        row = loose.unsqueeze(2)
        least = torch.where(row, below, math.inf).amin(1, keepdim=True)
        most = torch.where(row, above, -math.inf).amax(1, keepdim=True)
        low, high = (
            torch.where(cover, torch.minimum(low, least), low),
            torch.where(cover, torch.maximum(high, most), high),
        )
        unsure = wrong.flatten(1).any(1).reshape(-1, 1, 1)
        return squared(torch.where(unsure, -math.inf, low), torch.where(unsure, math.inf, high), x)


class ArgMostRelaxation(Level):
    """An entry can be the greatest if no other must lie above it; of several rivals, the hull of their places."""

    conditions = "exact where one entry is the greatest throughout"

    def spread(self, coefficient: Tensor) -> Tensor:
        return coefficient.unsqueeze(-1)

    def gathered(self, part: Tensor) -> Tensor:
        return part.sum(-1)

    def image(self, op: Op, x: Interval) -> Interval:
        assert isinstance(op, ArgMost)
        possible = (x.lower <= 0).unflatten(-1, (op.count, op.count - 1)).all(-1)
        possible |= ~possible.any(-1, keepdim=True)  # differences of no tensor
        last = op.count - 1 - possible.flip(-1).int().argmax(-1)
        return Interval(possible.int().argmax(-1).to(x.lower), last.to(x.lower))


def squared(lower: Tensor, upper: Tensor, like: Interval) -> Interval:
    """With the zeros that make a square op's result as long as its argument."""
    rest = like.lower.shape[1] - lower[0].numel()
    return Interval(*(torch.nn.functional.pad(end.flatten(1), (0, rest)) for end in (lower, upper)))


def greatest_between(x: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The greatest entries of `x (B, R, n)` from place `first (B, L)` to `last`: `(B, R, L)`; -inf where none exists.

    Two overlapping stretches whose length is a power of two cover any range; their maxima are found by doubling.
    """
    size = x.shape[2]
    first, last = first.clamp(0, size), last.clamp(max=size - 1)
    levels = [x]
    while 2 ** len(levels) <= size:
        half = 2 ** (len(levels) - 1)
        later = torch.nn.functional.pad(levels[-1][:, :, half:], (0, half), value=-math.inf)
        levels.append(torch.maximum(levels[-1], later))
    table = torch.cat(levels, 2)
    length = (last - first + 1).clamp(min=1)
    level = torch.floor(torch.log2(length.double())).long()
    left = level * size + first.clamp(max=size - 1)
    right = level * size + (last - 2**level + 1).clamp(min=0)
    found = torch.maximum(*(table.gather(2, i.unsqueeze(1).expand(-1, x.shape[1], -1)) for i in (left, right)))
    return torch.where((first <= last).unsqueeze(1), found, -math.inf)


def from_front(first: Tensor, last: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Intervals of places `(B, R, K)` counted from the front; one that holds both signs can be anywhere."""
    both = (first < 0) & (last >= 0)
    negative = last < 0
    low = torch.where(both, torch.zeros_like(first), torch.where(negative, first + sizes, first))
    high = torch.where(both, torch.maximum(last, sizes - 1), torch.where(negative, last + sizes, last))
    return low.clamp(min=0).minimum(sizes), high.clamp(min=0).minimum(sizes)


def replaced(
    op: PutAt, place: Tensor, sure: Tensor, data: tuple[Tensor, Tensor], rows: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Both ends `(B, cells, width)` with those rows written that are `sure (B, R)`."""
    cells = data[0].shape[1]
    index = torch.where(sure, op.flat(place), float(cells)).long().unsqueeze(2).expand_as(rows[0])
    ends = []
    for end, row, reduce, empty in zip(data, rows, ("amin", "amax"), (math.inf, -math.inf), strict=True):
        blank = end.new_full((len(end), cells + 1, op.width), empty)
        written = blank.scatter_reduce(1, index, row, reduce)[:, :-1]
        ends.append(torch.where(hit(index, cells), written, end))
    return ends[0], ends[1]


def hit(index: Tensor, cells: int) -> Tensor:
    """`(B, cells, width)`: is a row written there?"""
    blank = torch.zeros(len(index), cells + 1, index.shape[2], dtype=torch.bool, device=index.device)
    return blank.scatter(1, index, True)[:, :-1]


def covered(op: PutAt, first: Tensor, last: Tensor, rows: Tensor) -> Tensor:
    """`(B, cells, 1)`: does the box of places from `first (B, R, K)` to `last` of one of `rows (B, R)` hold the cell?

    Every box adds one at its corners, with a sign, so that sums along all axes count the boxes over each cell.
    """
    batch, count = rows.shape
    room = tuple(size + 1 for size in op.sizes)
    total = first.new_zeros(batch, math.prod(room))
    for corner in range(2 ** len(room)):
        at, sign = torch.zeros(batch, count, dtype=torch.long, device=rows.device), 1.0
        for k, size in enumerate(room):
            far = bool(corner >> k & 1)
            at = at * size + (last[..., k] + 1 if far else first[..., k]).long()
            sign = -sign if far else sign
        total = total.scatter_add(1, at, rows.to(total) * sign)
    total = total.unflatten(1, room)
    for k in range(len(room)):
        total = total.cumsum(k + 1)
    inner = total[(slice(None), *(slice(size) for size in op.sizes))]
    return (inner.flatten(1) > 0.5).unsqueeze(2)
