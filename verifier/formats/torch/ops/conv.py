"""Convolutions, with or without a batch axis of the module's own."""

from typing import Any

from torch import Tensor

from verifier.formats.torch.ops.shape import reshaped
from verifier.formats.torch.site import Lowering, Ref, Site
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.shape import Pad


def each(value: Any, count: int) -> tuple[int, ...]:
    """One number per axis; PyTorch lets a single one stand for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * count if len(values) == 1 else values


def with_batch(site: Site, x: Ref, space: int) -> tuple[Ref, bool]:
    """`x (C, *space)` gets a batch axis of one; says whether it did."""
    lacking = site.rank(x) == space + 1
    return (reshaped(site, x, (1, *site.shape(x))), True) if lacking else (x, False)


def without_batch(site: Site, x: Ref, lacking: bool) -> Ref:
    return reshaped(site, x, site.shape(x)[1:]) if lacking else x


def conv(
    site: Site, x: Ref, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, part: str = ""
) -> Ref:
    kernel = site.known(weight, "weight")
    space = kernel.dim() - 2
    steps, widths = each(stride, space), each(dilation, space)
    x, lacking = with_batch(site, x, space)
    if padding == "same":
        x, margin = same(site, x, kernel, widths)
    else:
        margin = (0,) * space if padding == "valid" else each(padding, space)
    offset = None if bias is None else site.known(bias, "bias")
    return without_batch(site, site.add(Conv(kernel, offset, steps, margin, widths, groups), x, part=part), lacking)


def same(site: Site, x: Ref, kernel: Tensor, dilation: tuple[int, ...]) -> tuple[Ref, tuple[int, ...]]:
    """Padding that keeps the size; an odd entry goes behind, by a `Pad` of its own."""
    needed = [d * (k - 1) for d, k in zip(dilation, kernel.shape[2:], strict=True)]
    if any(n % 2 for n in needed):
        x = site.add(Pad(((0, 0), (0, 0), *((0, n % 2) for n in needed))), x, part="pad")
    return x, tuple(n // 2 for n in needed)


def conv_transpose(
    site: Site, x: Ref, weight: Any, bias: Any, stride: Any, padding: Any, extra: Any, groups: int, dilation: Any
) -> Ref:
    kernel = site.known(weight, "weight")
    space = kernel.dim() - 2
    x, lacking = with_batch(site, x, space)
    offset = None if bias is None else site.known(bias, "bias")
    steps, margin, more, widths = (each(v, space) for v in (stride, padding, extra, dilation))
    return without_batch(site, site.add(ConvTranspose(kernel, offset, steps, margin, more, widths, groups), x), lacking)


def convolution(
    site: Site,
    x: Ref,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    extra: Any,
    groups: int,
) -> Ref:
    if transposed:
        return conv_transpose(site, x, weight, bias, stride, padding, extra, groups, dilation)
    return conv(site, x, weight, bias, stride, padding, dilation, groups)


CONV: dict[str, Lowering] = {
    **{f"conv{d}d.{kind}": conv for d in (1, 2, 3) for kind in ("default", "padding")},
    "conv_transpose1d.default": conv_transpose,
    "conv_transpose2d.input": conv_transpose,
    "conv_transpose3d.input": conv_transpose,
    "convolution.default": convolution,
}
