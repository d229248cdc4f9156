"""Convolutions over one to three spatial axes, for arguments `(B, N, C, *space)` with the file's own batch axis `N`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from verifier.graph.op import Affine
from verifier.graph.ops import taps

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
CONV_TRANSPOSE = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


@dataclass(frozen=True, eq=False)
class Conv(Affine):
    """`weight (O, C / groups, *kernel)`; `padding` is symmetric zero padding, the same on both sides of an axis."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def forward(self, *args: Tensor) -> Tensor:
        out = convolved(
            args[0].flatten(0, 1), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return out.unflatten(0, args[0].shape[:2])

    def linear(self, *args: Tensor) -> Tensor:
        return replace(self, bias=None).forward(*args)

    def abs(self) -> "Conv":
        return replace(self, weight=self.weight.abs(), bias=None)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return self.weight[0].numel() + self.weight.shape[0] * self.weight[0, 0].numel()

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        space = shapes[0][2:]
        spare = tuple(
            n + 2 * p - d * (k - 1) - 1 - s * (o - 1)
            for n, p, d, k, s, o in zip(
                space,
                self.padding,
                self.dilation,
                self.weight.shape[2:],
                self.stride,
                coefficient.shape[3:],
                strict=True,
            )
        )  # rows at the far edge that no kernel position reached
        flat = coefficient.flatten(0, 1)
        out = transposed(flat, self.weight, self.stride, self.padding, spare, self.groups, self.dilation)
        return (out.unflatten(0, coefficient.shape[:2]),)


@dataclass(frozen=True, eq=False)
class ConvTranspose(Affine):
    """`weight (C, O / groups, *kernel)`; `extra` rows are added at the far edge of every axis."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    extra: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def forward(self, *args: Tensor) -> Tensor:
        x = args[0].flatten(0, 1)
        out = transposed(x, self.weight, self.stride, self.padding, self.extra, self.groups, self.dilation)
        return added(out, self.bias).unflatten(0, args[0].shape[:2])

    def linear(self, *args: Tensor) -> Tensor:
        return replace(self, bias=None).forward(*args)

    def abs(self) -> "ConvTranspose":
        return replace(self, weight=self.weight.abs(), bias=None)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return self.weight[0].numel() + self.weight.shape[0] * self.weight[0, 0].numel()

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """A convolution; what it computes beyond the argument's far edge met no entry of it."""
        flat = coefficient.flatten(0, 1)
        out = convolved(flat, self.weight, None, self.stride, self.padding, self.dilation, self.groups)
        space = tuple(slice(n) for n in shapes[0][2:])
        return (out[(slice(None), slice(None), *space)].unflatten(0, coefficient.shape[:2]),)


def convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Convolution of `(N, C, *space)` with `weight (O, C / groups, *kernel)`."""
    if not taps.pays(x, weight, x[:, 0].numel() // math.prod(stride), groups):
        return CONV[weight.dim() - 2](x, weight, bias, stride, padding, dilation, groups)
    (top, left), (down, right), (high, wide) = padding, stride, dilation
    x = functional.pad(x, (left, left, top, top))
    return added(taps.gathered(x, weight, (down, right), (high, wide)), bias)


def added(x: Tensor, bias: Tensor | None) -> Tensor:
    """`x (N, O, *space)` with `bias (O,)`."""
    return x if bias is None else x + bias.reshape(-1, *(1,) * (x.dim() - 2))


def transposed(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    extra: Sequence[int],
    groups: int,
    dilation: Sequence[int],
) -> Tensor:
    """Transposed convolution without bias, of coefficients `(N, O, *space)`. On a CPU a strided one in two dimensions
    takes half the time with channels last (measured on windows of 4 to 32 pixels); where kernels lie side by side, as
    in the patches of a transformer, a product of matrices takes a fifth; in float64 see `taps.py`."""
    apart = tuple(weight.shape[2:]) == tuple(stride) and not any((*padding, *extra)) and max(dilation) == 1
    if x.dim() == 4 and groups == 1 and apart:
        tiles = torch.einsum("nohw,ocyx->nchywx", x, weight)
        return tiles.flatten(4, 5).flatten(2, 3)
    if x.dim() == 4 and max(stride) > 1 and x.device.type == "cpu" and x.dtype == torch.float32:
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
    if taps.pays(x, weight, x[:, 0].numel(), groups):
        return _spread(x, weight, stride, padding, extra, dilation)
    operator = CONV_TRANSPOSE[weight.dim() - 2]
    return operator(x, weight, None, stride, padding, extra, groups, dilation).contiguous()


def _spread(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    extra: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """The same in float64 on a CPU, in two dimensions."""
    axes = zip(x.shape[2:], weight.shape[2:], stride, extra, dilation, strict=True)
    high, wide = (s * (n - 1) + d * (k - 1) + 1 + e for n, k, s, e, d in axes)
    out = taps.spread(x, weight, (stride[0], stride[1]), (dilation[0], dilation[1]), (high, wide))
    top, left = padding
    return out[:, :, top : high - top, left : wide - left].contiguous()
