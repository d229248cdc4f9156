"""Reading and writing at places that the network computes, and computing a place.

Cuts and writes are square: one flat vector holds all that they read, and their result stands at the beginning of a
vector of the same length, zeros behind. A place is the nearest whole number of what stands there.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op


@dataclass(frozen=True, eq=False)
class Square(Op):
    """`(B, n)` to `(B, n)`; the first `made` entries are the result."""

    @property
    def read(self) -> int:
        """How many entries it reads, from the first on."""
        raise NotImplementedError

    @property
    def made(self) -> int:
        raise NotImplementedError

    def result(self, x: Tensor) -> Tensor:
        """`(B, n)` to `(B, made)`."""
        raise NotImplementedError

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        return torch.nn.functional.pad(self.result(x), (0, x.shape[1] - self.made))


@dataclass(frozen=True, eq=False)
class CutAt(Square):
    """`length` entries of the last axis of `(rows, size)` from a place on, which stands behind them: `(rows, length)`.

    As ONNX cuts, the axis may end earlier; `missing` fills the room then. NaN says that nothing may be concluded.
    """

    rows: int
    size: int
    length: int
    missing: float = math.nan

    @property
    def read(self) -> int:
        return self.rows * self.size + 1

    @property
    def made(self) -> int:
        return self.rows * self.length

    def result(self, x: Tensor) -> Tensor:
        data, start = x[:, : self.rows * self.size].unflatten(1, (self.rows, self.size)), x[:, self.read - 1].round()
        ends = [torch.where(end < 0, end + self.size, end).clamp(0, self.size) for end in (start, start + self.length)]
        place = ends[0].unsqueeze(1) + torch.arange(self.length, device=x.device)
        there = (place < ends[1].unsqueeze(1)).unsqueeze(1)
        index = place.clamp(0, self.size - 1).nan_to_num().long().unsqueeze(1).expand(-1, self.rows, -1)
        return torch.where(there, data.gather(2, index), self.missing).flatten(1)


@dataclass(frozen=True, eq=False)
class PutAt(Square):
    """`(*sizes, width)` with `count` rows of `width` replaced: behind it stand their coordinates `(count, K)`, and then
    the rows. Of rows for one place any may win.

    A negative coordinate counts from the end. One that does not exist is an error, and all is NaN; with `passes`
    a row at or beyond the end of an axis is passed over, as one whose coordinate is NaN always is.
    """

    sizes: tuple[int, ...]
    width: int
    count: int
    passes: bool = False

    @property
    def made(self) -> int:
        return math.prod(self.sizes) * self.width

    @property
    def read(self) -> int:
        return self.made + self.count * (len(self.sizes) + self.width)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The tensor `(B, cells, width)`, the places `(B, count, K)`, the rows `(B, count, width)`."""
        first, last = self.made, self.made + self.count * len(self.sizes)
        return (
            x[:, :first].unflatten(1, (-1, self.width)),
            x[:, first:last].round().unflatten(1, (self.count, len(self.sizes))),
            x[:, last : self.read].unflatten(1, (self.count, self.width)),
        )

    def flat(self, place: Tensor) -> Tensor:
        """Places `(*, K)` counted in the flattened axes."""
        strides = [math.prod(self.sizes[k + 1 :]) for k in range(len(self.sizes))]
        return (place * torch.tensor(strides, dtype=place.dtype, device=place.device)).sum(-1)

    def result(self, x: Tensor) -> Tensor:
        data, place, rows = self.parts(x)
        sizes = torch.tensor(self.sizes, dtype=x.dtype, device=x.device)
        place = torch.where(place < 0, place + sizes, place)
        none = place.isnan().any(2) | ((place >= sizes).any(2) if self.passes else False)
        wrong = (((place < 0) | (place >= sizes)).any(2) & ~none).any(1)
        aside = none | wrong.unsqueeze(1)
        index = torch.where(aside, float(data.shape[1]), self.flat(place).nan_to_num()).long()
        room = torch.cat([data, data.new_zeros(len(data), 1, self.width)], 1)
        out = room.scatter(1, index.unsqueeze(2).expand_as(rows), rows)[:, :-1].flatten(1)
        return torch.where(wrong.unsqueeze(1), math.nan, out)


@dataclass(frozen=True, eq=False)
class ArgMost(Op):
    """The place of the greatest of `n` entries, the first of several, or the `last`. What it reads along the last axis
    are the entries' `Differences`, `n * (n - 1)` of them: bounded by walks, they decide more than entries do."""

    count: int
    last: bool = False

    def forward(self, *args: Tensor) -> Tensor:
        above = args[0].unflatten(-1, (self.count, self.count - 1)) > 0
        return self.chosen(~above.any(-1)).to(args[0].dtype)

    def chosen(self, most: Tensor) -> Tensor:
        """The first (or last) true entry along the last axis."""
        if self.last:
            return self.count - 1 - most.flip(-1).int().argmax(-1)
        return most.int().argmax(-1)
