"""Indexing by what the network computes. An entry that does not exist is NaN, so that nothing is ever proved with it.

ONNX leaves an index outside of its axis an error, and lets a slice become shorter there. Our shapes are fixed: a slice
has its full length, with NaN where the file's would have ended, and a scatter passes over rows whose place is NaN.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


def places_of(index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Places on an axis, safe to index with, and where they are real ones."""
    place = torch.where(index < 0, index + size, index)
    valid = (place >= 0) & (place < size)
    return torch.where(valid, place, torch.zeros_like(place)).long(), valid


def missing(x: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, x, torch.full_like(x, torch.nan))


@dataclass(frozen=True)
class TakeAlong:
    """Entries of one axis at computed places."""

    axis: int

    def __call__(self, x: Tensor, index: Tensor) -> Tensor:
        place, valid = places_of(index.reshape(-1), x.shape[self.axis])
        shape = [1] * x.dim()
        shape[self.axis] = -1
        out = missing(x.index_select(self.axis, place), valid.reshape(shape))
        return out.reshape(*x.shape[: self.axis], *index.shape, *x.shape[self.axis + 1 :])


@dataclass(frozen=True)
class GatherAlong:
    """Entry by entry along one axis."""

    axis: int

    def __call__(self, x: Tensor, index: Tensor) -> Tensor:
        place, valid = places_of(index, x.shape[self.axis])
        return missing(x.gather(self.axis, place), valid)


def gather_by_coordinates(x: Tensor, index: Tensor) -> Tensor:
    """`x[index]` with coordinates along the last axis of `index`."""
    parts = [places_of(index[..., i], x.shape[i]) for i in range(index.shape[-1])]
    valid = torch.stack([v for _, v in parts]).all(dim=0)
    out = x[tuple(p for p, _ in parts)]
    return missing(out, valid.reshape(*valid.shape, *(1,) * (out.dim() - valid.dim())))


@dataclass(frozen=True)
class ScatterAlong:
    """`x` with `updates` at computed places of one axis."""

    axis: int

    def __call__(self, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
        place, valid = places_of(index, x.shape[self.axis])
        return missing(x.scatter(self.axis, place, updates), valid.all())
