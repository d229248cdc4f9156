"""Convolutions and their transposes. Padding that differs between the sides of an axis becomes a `Pad` of its own."""

import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.values import Value, Wire
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Shift
from verifier.graph.ops.shape import Pad

Pairs = tuple[tuple[int, int], ...]


def conv(call: Call) -> Value:
    x, weight = call.wire(0), call.constant(1, "weight").tensor()
    bias = call.optional_constant(2, "bias")
    space = _space(call, x, weight)
    kernel, stride, dilation = window(call, len(space), tuple(weight.shape[2:]))
    pads = padding(call, space, kernel, stride, dilation)
    groups = call.attr_int("group", 1)
    call.admit((*x.shape[:2], *(n + a + b for n, (a, b) in zip(space, pads, strict=True))))
    symmetric = all(before == after >= 0 for before, after in pads)
    if not symmetric:
        x = call.add(Pad(((0, 0), (0, 0), *pads)), x)
    inside = tuple(before for before, _ in pads) if symmetric else (0,) * len(pads)
    return call.add(Conv(weight, None if bias is None else bias.tensor(), stride, inside, dilation, groups), x)


def conv_transpose(call: Call) -> Value:
    x, weight = call.wire(0), call.constant(1, "weight").tensor()
    bias = call.optional_constant(2, "bias")
    space = _space(call, x, weight)
    kernel, stride, dilation = window(call, len(space), tuple(weight.shape[2:]))
    groups = call.attr_int("group", 1)
    extra = _checked(call, call.attr_ints("output_padding", [0] * len(space)), len(space), "output_padding")
    full = tuple(s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(space, kernel, stride, dilation, strict=True))
    pads = _transposed_padding(call, space, full, stride, extra)
    call.admit((x.shape[0], weight.shape[1] * groups, *full))
    b = None if bias is None else bias.tensor()
    limits = [max(s, d) for s, d in zip(stride, dilation, strict=True)]
    if all(p == q >= 0 for p, q in pads) and all(e < m for e, m in zip(extra, limits, strict=True)):
        inside = tuple(before for before, _ in pads)
        return call.add(ConvTranspose(weight, b, stride, inside, extra, dilation, groups), x)
    none = (0,) * len(space)
    out = call.add(ConvTranspose(weight, None, stride, none, none, dilation, groups), x)
    crop = tuple((-before, e - after) for (before, after), e in zip(pads, extra, strict=True))
    out = call.add(Pad(((0, 0), (0, 0), *crop)), out)
    return out if b is None else call.add(Shift(b.reshape(-1, *(1,) * len(space))), out)


def window(
    call: Call, rank: int, kernel: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, strides and dilations, checked. `kernel` is known where a weight has it."""
    stated = call.attr_ints("kernel_shape", kernel)
    if kernel is not None and tuple(stated) != kernel:
        raise InvalidModel(f"node {call.name}: kernel_shape {stated} and a weight with kernel {list(kernel)}")
    parts = (stated, call.attr_ints("strides", [1] * rank), call.attr_ints("dilations", [1] * rank))
    names = ("kernel_shape", "strides", "dilations")
    checked = [_checked(call, part, rank, name, least=1) for part, name in zip(parts, names, strict=True)]
    return checked[0], checked[1], checked[2]


def padding(
    call: Call, space: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Pairs:
    """(before, after) for every spatial axis, from `pads` or `auto_pad`."""
    mode = call.attr_text("auto_pad", "NOTSET")
    rank = len(space)
    stated = call.attr_ints("pads", [0] * (2 * rank))
    if mode == "NOTSET":
        if len(stated) != 2 * rank:
            raise InvalidModel(f"node {call.name}: {len(stated)} pads for {rank} spatial axes")
        return tuple(zip(stated[:rank], stated[rank:], strict=True))
    if mode == "VALID":
        return ((0, 0),) * rank
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise InvalidModel(f"node {call.name}: auto_pad {mode!r} is unknown")
    totals = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(space, kernel, stride, dilation, strict=True)
    ]
    return tuple(_halves(total, mode) for total in totals)


def _halves(total: int, mode: str) -> tuple[int, int]:
    small, large = total // 2, total - total // 2
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def _transposed_padding(
    call: Call, space: tuple[int, ...], full: tuple[int, ...], stride: tuple[int, ...], extra: tuple[int, ...]
) -> Pairs:
    """How much is cut off the full result at both sides of every axis."""
    mode, rank = call.attr_text("auto_pad", "NOTSET"), len(space)
    stated = call.attr_ints("pads", [0] * (2 * rank))
    wanted = call.attr_ints("output_shape", [])
    if not wanted and mode == "NOTSET":
        if len(stated) != 2 * rank:
            raise InvalidModel(f"node {call.name}: {len(stated)} pads for {rank} spatial axes")
        return tuple(zip(stated[:rank], stated[rank:], strict=True))
    if not wanted and mode == "VALID":
        return ((0, 0),) * rank
    sizes = wanted[-rank:] if wanted else [n * s for n, s in zip(space, stride, strict=True)]
    totals = [f + e - size for f, e, size in zip(full, extra, sizes, strict=True)]
    if any(t < 0 for t in totals):
        raise Obstacle(f"its output shape {sizes} is larger than what it computes")
    return tuple((t - t // 2, t // 2) if mode != "SAME_UPPER" else (t // 2, t - t // 2) for t in totals)


def _space(call: Call, x: Wire, weight: torch.Tensor) -> tuple[int, ...]:
    rank = len(x.shape) - 2
    if weight.dim() != rank + 2:
        raise InvalidModel(f"node {call.name}: input of {len(x.shape)} axes and weight of {weight.dim()}")
    if not 1 <= rank <= 3:
        raise Obstacle(f"convolution over {rank} spatial axes; one to three are supported")
    return x.shape[2:]


def _checked(call: Call, values: list[int], rank: int, name: str, least: int = 0) -> tuple[int, ...]:
    if len(values) != rank or min(values, default=least) < least:
        raise InvalidModel(f"node {call.name}: {name} {values} for {rank} spatial axes")
    return tuple(values)


TABLE = {"Conv": conv, "ConvTranspose": conv_transpose}
