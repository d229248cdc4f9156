"""Convolutions in float64 on a CPU: one product of matrices for each position in the kernel (a tap).

Torch's fast kernels are for float32; those for float64 write all patches down first, and where these are many take two
to five times as long as this, on one core. An image is a row of pixels for each channel, in a frame that leaves room
for the kernel, so that what a tap sees of all images at once is the same matrix, some places further on. With a stride
each phase of it is such a frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

CACHED = 2**18  # numbers that are worked on at a time
PATCHES = 2**19  # numbers in all patches of all images, below which a few calls of torch are faster than many

Pair = tuple[int, int]


def pays(x: Tensor, weight: Tensor, places: int, groups: int) -> bool:
    """Is it faster than torch, where a kernel `(O, C, *)` has so many places in all images together? (Measured for 3 to
    64 channels, kernels of 3 to 5 pixels, and images of 3 to 32.)"""
    narrow, wide = weight.shape[:2]
    double = x.dtype == torch.float64 and x.device.type == "cpu" and weight.dim() == 4
    return double and groups == 1 and 2 * wide >= narrow and weight[0].numel() * places >= PATCHES


def gathered(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair) -> Tensor:
    """Convolution of `x (N, C, H, W)` with `weight (O, C, h, w)`, without padding."""
    kernel = Kernel(weight, stride, dilation)
    size, (high, wide) = kernel.seen(x), kernel.frame(x.shape[2:])
    out = x.new_empty(len(x), len(weight), *size)
    for part in kernel.parts(x, (high, wide)):
        phases = kernel.phases(x[part], (high, wide))
        total = x.new_zeros(len(weight), phases.shape[-1])
        for tap, phase, first in kernel.taps(wide):
            total[:, : total.shape[1] - first].addmm_(tap, phases[phase][:, first:])
        unframed(total, out[part], (high, wide))
    return out


def spread(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair, room: Pair) -> Tensor:
    """Transposed convolution of `x (N, O, h, w)` with `weight (O, C, h, w)`, into images `(N, C, *room)` that hold all
    that it reaches."""
    kernel = Kernel(weight, stride, dilation)
    high, wide = kernel.frame(room)
    out = x.new_empty(len(x), weight.shape[1], *room)
    for part in kernel.parts(x, (high, wide)):
        rows = framed(x[part], (high, wide))
        total = x.new_zeros(*stride, weight.shape[1], rows.shape[1])
        for tap, phase, first in kernel.taps(wide):
            total[phase][:, first:].addmm_(tap.T, rows[:, : rows.shape[1] - first])
        for i, j in product(*map(range, stride)):
            unframed(total[i, j], out[part, :, i :: stride[0], j :: stride[1]], (high, wide))
    return out


@dataclass(frozen=True, eq=False)
class Kernel:
    """`weight (O, C, h, w)`, and how it moves."""

    weight: Tensor
    stride: Pair
    dilation: Pair

    def seen(self, x: Tensor) -> Pair:
        """How many places it has in the images."""
        axes = zip(x.shape[2:], self.weight.shape[2:], self.stride, self.dilation, strict=True)
        high, wide = ((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes)
        return high, wide

    def frame(self, size: tuple[int, ...]) -> Pair:
        """The size of one phase of an image."""
        high, wide = (-(-n // s) for n, s in zip(size, self.stride, strict=True))
        return high, wide

    def parts(self, x: Tensor, frame: Pair) -> list[slice]:
        """As many images at a time as stay in the cache."""
        phases = self.stride[0] * self.stride[1]
        step = max(1, CACHED // (phases * max(self.weight.shape[:2]) * frame[0] * frame[1]))
        return [slice(first, first + step) for first in range(0, len(x), step)]

    def phases(self, x: Tensor, frame: Pair) -> Tensor:
        """Images `(N, C, H, W)` by the phase of the stride: `(*stride, C, N * high * wide)`."""
        high, wide = self.stride
        found = [framed(x[:, :, i::high, j::wide], frame) for i, j in product(range(high), range(wide))]
        return torch.stack(found).unflatten(0, (high, wide))

    def taps(self, wide: int) -> Iterator[tuple[Tensor, Pair, int]]:
        """The matrices `(O, C)`, each with the phase that it sees, and how many places further on."""
        for i, j in product(*map(range, self.weight.shape[2:])):
            (down, at), (right, beside) = (
                divmod(k * d, s) for k, d, s in zip((i, j), self.dilation, self.stride, strict=True)
            )
            yield self.weight[:, :, i, j], (at, beside), down * wide + right


def framed(x: Tensor, frame: Pair) -> Tensor:
    """Images `(N, C, h, w)` in a frame of zeros, one row for each channel: `(C, N * high * wide)`."""
    out = x.new_zeros(x.shape[1], len(x), *frame)
    out[:, :, : x.shape[2], : x.shape[3]] = x.transpose(0, 1)
    return out.flatten(1)


def unframed(rows: Tensor, out: Tensor, frame: Pair) -> None:
    """Write framed images to `out (N, C, h, w)`."""
    images = rows.unflatten(1, (len(out), *frame))
    out.copy_(images[:, :, : out.shape[2], : out.shape[3]].transpose(0, 1))
