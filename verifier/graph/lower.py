"""What both doors need to rewrite pooling and resizing into plain ops: places of windows, sizes, divisors, matrices."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """How a pooling window moves along one axis of `size` entries, with `before` and `after` entries of padding."""

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    @property
    def count(self) -> int:
        """Number of windows. One that would start in the padding behind the axis does not exist."""
        room = self.size + self.before + self.after - self.dilation * (self.kernel - 1) - 1
        count = (math.ceil(room / self.stride) if self.ceil else room // self.stride) + 1
        return count - 1 if self.ceil and (count - 1) * self.stride >= self.size + self.before else count

    @property
    def spare(self) -> int:
        """Entries that the last window needs behind `size`; negative where it ends earlier."""
        return (self.count - 1) * self.stride + self.dilation * (self.kernel - 1) + 1 - self.before - self.size

    def places(self) -> Tensor:
        """`(count, kernel)`: positions on the axis; outside of it where there is padding."""
        starts = torch.arange(self.count) * self.stride - self.before
        return starts[:, None] + torch.arange(self.kernel) * self.dilation

    def inside(self) -> Tensor:
        """`places`, with padding replaced by a place that the same window sees anyway: no maximum changes."""
        places = self.places()
        valid = (places >= 0) & (places < self.size)
        if not bool(valid.any(dim=1).all()):
            raise ValueError("a pooling window lies in the padding only")
        first = places.gather(1, valid.int().argmax(dim=1, keepdim=True))
        return torch.where(valid, places, first)

    def seen(self, include_pad: bool) -> Tensor:
        """`(count,)`: the number of entries that an average divides by, with or without the padding."""
        places = self.places()
        low, high = (-self.before, self.size + self.after) if include_pad else (0, self.size)
        return ((places >= low) & (places < high)).sum(dim=1)


def window_index(lead: Sequence[int], windows: Sequence[Window]) -> Tensor:
    """Index for `Pick`, `(*lead, *counts, entries of a window)`, into a flattened `(*lead, *sizes)`."""
    index = torch.zeros((), dtype=torch.int64)
    for window in windows:  # index (*counts so far, *kernels so far), both grow by one axis
        done = index.dim() // 2
        inside = window.inside()
        shape = (1,) * done + (window.count,) + (1,) * done + (window.kernel,)
        index = index.unsqueeze(done).unsqueeze(-1) * window.size + inside.reshape(shape)
    index = index.flatten(len(windows))
    area = math.prod(window.size for window in windows)
    blocks = torch.arange(math.prod(lead)).reshape(*lead, *(1,) * index.dim()) * area
    return blocks + index


def divisors(windows: Sequence[Window], include_pad: bool) -> Tensor:
    """`(*counts)` float64: the divisor of average pooling at every place."""
    total = torch.ones((), dtype=torch.float64)
    for window in windows:
        total = total.unsqueeze(-1) * window.seen(include_pad)
    return total


def adaptive_mean(size: int, out: int) -> Tensor:
    """`(out, size)`: the averages over `out` nearly equal, possibly overlapping parts of an axis."""
    part = torch.arange(out)
    start, end = part * size // out, ((part + 1) * size + out - 1) // out
    place = torch.arange(size)
    inside = (place >= start[:, None]) & (place < end[:, None])
    return inside.double() / (end - start)[:, None]


def largest_entry(count: int) -> float:
    """What no entry of a normalised vector exceeds: `count` squares of mean one. A little more, to change none."""
    return math.sqrt(count) * (1 + 1e-6)


def axis_matrix(size: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`(out, size)`: the matrix of a linear map of one axis, from its values on the unit vectors, `(n, size)` rows."""
    return function(torch.eye(size, dtype=torch.float64)).T.contiguous()
