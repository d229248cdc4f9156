"""Pooling: a maximum of picked windows, or a convolution with ones and a division."""

import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.ops.conv import padding, window
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.values import Value, Wire
from verifier.graph.lower import Window, divisors, window_index
from verifier.graph.ops.conv import Conv
from verifier.graph.ops.dense import Reduce
from verifier.graph.ops.pool import Max
from verifier.graph.ops.shape import Pad, Pick


def windows(call: Call, x: Wire) -> list[Window]:
    rank = len(x.shape) - 2
    if rank < 1:
        raise InvalidModel(f"node {call.name}: pooling of a tensor with {len(x.shape)} axes")
    kernel, stride, dilation = window(call, rank)
    pads = padding(call, x.shape[2:], kernel, stride, dilation)
    ceil = bool(call.attr_int("ceil_mode", 0))
    found = [
        Window(n, k, s, before, after, d, ceil)
        for n, k, s, d, (before, after) in zip(x.shape[2:], kernel, stride, dilation, pads, strict=True)
    ]
    if any(w.count < 1 or w.before < 0 for w in found):
        raise InvalidModel(f"node {call.name}: a pooling window does not fit an axis of {x.shape[2:]}")
    return found


def max_pool(call: Call) -> Value:
    x = call.wire(0)
    moves = windows(call, x)
    call.ignore("storage_order")  # concerns the second output only
    call.admit((*x.shape[:2], *(w.count * w.kernel for w in moves)))
    return call.add(Max(), call.add(Pick(window_index(x.shape[:2], moves)), x))


def average_pool(call: Call) -> Value:
    x = call.wire(0)
    moves = windows(call, x)
    if len(moves) > 3:
        raise Obstacle(f"pooling over {len(moves)} axes; one to three are supported")
    include = bool(call.attr_int("count_include_pad", 0))
    count = divisors(moves, include).numpy()
    pads = tuple((w.before, max(w.spare, 0)) for w in moves)
    call.admit((*x.shape[:2], *(w.size + a + b for w, (a, b) in zip(moves, pads, strict=True))))
    if any(a or b for a, b in pads):
        x = call.add(Pad(((0, 0), (0, 0), *pads)), x)
    channels, none = x.shape[1], (0,) * len(moves)
    ones = torch.ones(channels, 1, *(w.kernel for w in moves), dtype=torch.float64)
    stride, dilation = tuple(w.stride for w in moves), tuple(w.dilation for w in moves)
    total = call.add(Conv(ones, None, stride, none, dilation, channels), x)
    return call.divided(total, real(count.flat[0] if (count == count.flat[0]).all() else count, x))


def global_average_pool(call: Call) -> Value:
    x = call.wire(0)
    axes = tuple(range(2, len(x.shape)))
    entries = 1
    for axis in axes:
        entries *= x.shape[axis]
    return call.divided(call.add(Reduce(axes, keepdim=True), x), real(entries, x))


def global_max_pool(call: Call) -> Value:
    x = call.wire(0)
    flat = reshape(call, x, (*x.shape[:2], int(torch.Size(x.shape[2:]).numel())))
    return reshape(call, call.add(Max(), flat), (*x.shape[:2], *(1,) * (len(x.shape) - 2)))


TABLE = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
}
