"""Affine ops that only move entries. Axes and shapes are those of `*`, without our batch axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import ClassVar

import torch
from torch import Tensor

from verifier.graph.op import Affine
from verifier.graph.ops.dense import batched, unbroadcast
from verifier.numerics import flat


@dataclass(frozen=True, eq=False)
class Reshape(Affine):
    """The same entries in another shape; covers flatten, squeeze and unsqueeze."""

    shape: tuple[int, ...]
    moves: ClassVar[bool] = True
    diagonal: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].reshape(len(args[0]), *self.shape)

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return (coefficient.reshape(len(coefficient), *shapes[0]),)


@dataclass(frozen=True, eq=False)
class Transpose(Affine):
    """Permuted axes: axis `i` of the output is axis `permutation[i]` of the argument."""

    permutation: tuple[int, ...]
    moves: ClassVar[bool] = True
    diagonal: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].permute(0, *(p + 1 for p in self.permutation))

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """Derived, it would import torch's compiler: 1.1 s, once, of the 3.5 s that a small network in NHWC took."""
        back = sorted(range(len(self.permutation)), key=lambda axis: self.permutation[axis])
        return (coefficient.permute(0, *(axis + 1 for axis in back)),)


@dataclass(frozen=True, eq=False)
class Concat(Affine):
    """Arguments joined along `axis`."""

    axis: int
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return torch.cat(args, dim=self.axis + 1)


@dataclass(frozen=True, eq=False)
class Stack(Affine):
    """Arguments broadcast against each other and joined along a new last axis: what products and maxima of several
    tensors read."""

    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        rank = max(a.dim() for a in args) - 1
        return torch.stack(torch.broadcast_tensors(*(batched(a, rank) for a in args)), dim=-1)

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return tuple(unbroadcast(part, shape) for part, shape in zip(coefficient.unbind(-1), shapes, strict=True))

    def transport_grouped(
        self, coefficient: Tensor, slopes: Tensor, shapes: Sequence[torch.Size]
    ) -> tuple[Tensor, ...] | None:
        """A product of matrices adds up most of what its factors' coefficients are: so does this, as one."""
        out = slopes.shape[1:-1]
        if all(shape == out for shape in shapes):
            return None
        axes, parts = ascii_lowercase[: len(out)], []
        for slope, shape in zip(slopes.unbind(-1), shapes, strict=True):
            wide = (1,) * (len(out) - len(shape)) + tuple(shape)
            kept = "".join(name for name, size in zip(axes, wide, strict=True) if size != 1)
            part = torch.einsum(f"YZ{axes},Z{axes}->YZ{kept}", coefficient, slope)
            parts.append(part.reshape(*part.shape[:2], *shape))
        return tuple(parts)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return out.numel()  # generous: transposed, broadcast axes are summed


@dataclass(frozen=True, eq=False)
class Gather(Affine):
    """Entries of one axis at constant places: `index (*I)` replaces `axis`. Slices and nearest resizing are gathers."""

    index: Tensor
    axis: int
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        axis = self.axis + 1
        out = x.index_select(axis, self.index.reshape(-1))
        return out.reshape(*x.shape[:axis], *self.index.shape, *x.shape[axis + 1 :])

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return self.index.numel()


@dataclass(frozen=True, eq=False)
class Pick(Affine):
    """Any entries at constant places: `index (*out)` counts in the flattened argument."""

    index: Tensor
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return flat(args[0], 1).index_select(1, self.index.reshape(-1)).reshape(len(args[0]), *self.index.shape)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return self.index.numel()


@dataclass(frozen=True, eq=False)
class Expand(Affine):
    """Broadcast to `shape`."""

    shape: tuple[int, ...]
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        missing = len(self.shape) - (x.dim() - 1)
        return x.reshape(len(x), *(1,) * missing, *x.shape[1:]).expand(len(x), *self.shape)


@dataclass(frozen=True, eq=False)
class Pad(Affine):
    """Constant `fill` around (negative: crops); `pads` holds (before, after) for every axis of `*`, first to last."""

    pads: tuple[tuple[int, int], ...]
    fill: float = 0.0
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        flat = [n for pair in reversed(self.pads) for n in pair]
        return torch.nn.functional.pad(args[0], flat, value=self.fill)

    def abs(self) -> "Pad":
        return Pad(self.pads)
