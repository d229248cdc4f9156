"""Pooling: maxima are `Pick` and `Max`, averages are convolutions or matrices along an axis."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from verifier.formats.torch.ops.arithmetic import mean
from verifier.formats.torch.ops.conv import each, with_batch, without_batch
from verifier.formats.torch.ops.dense import along
from verifier.formats.torch.site import Blocked, Lowering, Ref, Site, real
from verifier.graph.lower import Window, adaptive_mean, divisors, window_index
from verifier.graph.ops.conv import Conv
from verifier.graph.ops.dense import Scale
from verifier.graph.ops.pool import Max
from verifier.graph.ops.shape import Pad, Pick


def windows(
    sizes: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> tuple[Window, ...]:
    count = len(sizes)
    kernels = each(kernel, count)
    steps = each(stride, count) if stride not in ([], None) else kernels
    specs = zip(sizes, kernels, steps, each(padding, count), each(dilation, count), strict=True)
    return tuple(Window(n, k, s, p, p, d, ceil) for n, k, s, p, d in specs)


def max_pool(space: int) -> Lowering:
    def lower(site: Site, x: Ref, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Ref:
        shape = site.shape(x)
        moves = windows(shape[-space:], kernel, stride, padding, dilation, ceil)
        site.room(*shape[:-space], *(m.count * m.kernel for m in moves))
        return site.add(Max(), site.add(Pick(window_index(shape[:-space], moves)), x, part="windows"))

    return lower


def with_indices(lower: Lowering) -> Lowering:
    return lambda site, *arguments: [lower(site, *arguments), Blocked("the places of maxima")]


def avg_pool(space: int) -> Lowering:
    def lower(
        site: Site,
        x: Ref,
        kernel: Any,
        stride: Any,
        padding: Any,
        ceil: bool,
        include_pad: bool,
        divisor: int | None = None,
    ) -> Ref:
        moves = windows(site.shape(x)[-space:], kernel, stride, padding, 1, ceil)
        count = divisors(moves, include_pad) if divisor is None else real(divisor)
        return average(site, x, moves, count)

    return lower


def average(site: Site, x: Ref, moves: tuple[Window, ...], count: torch.Tensor) -> Ref:
    """Sums by a convolution of each channel with ones, over the divisor: in the weight where it is the same."""
    x, lacking = with_batch(site, x, len(moves))
    uniform = bool((count == count.reshape(-1)[0]).all())
    channels = site.shape(x)[1]
    weight = torch.ones((channels, 1, *(m.kernel for m in moves)), dtype=torch.float64)
    weight = weight / count.reshape(-1)[0] if uniform else weight
    margin = tuple(m.before for m in moves)
    if any(m.spare > m.before for m in moves):
        x = site.add(Pad(((0, 0), (0, 0), *((m.before, max(m.spare, 0)) for m in moves))), x, part="pad")
        margin = (0,) * len(moves)
    op = Conv(weight, None, tuple(m.stride for m in moves), margin, (1,) * len(moves), channels)
    if uniform:
        return without_batch(site, site.add(op, x), lacking)
    return without_batch(site, site.add(Scale(1 / count), site.add(op, x, part="sum")), lacking)


def adaptive_avg_pool(space: int) -> Lowering:
    def lower(site: Site, x: Ref, size: Any) -> Ref:
        first = site.rank(x) - space
        sizes = site.shape(x)[first:]
        wanted = tuple(n if o is None else o for n, o in zip(sizes, each(size, space), strict=True))
        if all(o == 1 for o in wanted):
            return mean(site, x, list(range(first, first + space)), True)
        if all(n % o == 0 for n, o in zip(sizes, wanted, strict=True)):
            kernel = tuple(n // o for n, o in zip(sizes, wanted, strict=True))
            return average(site, x, windows(sizes, kernel, None, 0, 1, False), real(math.prod(kernel)))
        for axis, (n, o) in enumerate(zip(sizes, wanted, strict=True)):
            site.room(n, o)
            x = along(site, x, first + axis, adaptive_mean(n, o)) if n != o else x
        return x

    return lower


POOL: dict[str, Lowering] = {
    **{f"max_pool{d}d.default": max_pool(d) for d in (1, 2, 3)},
    **{f"max_pool{d}d_with_indices.default": with_indices(max_pool(d)) for d in (1, 2, 3)},
    **{f"avg_pool{d}d.default": avg_pool(d) for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d.default": adaptive_avg_pool(d) for d in (1, 2, 3)},
    **{f"_adaptive_avg_pool{d}d.default": adaptive_avg_pool(d) for d in (2, 3)},
}
