"""Softmax and its relatives. Before opset 13 they first fold their argument to a matrix."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from verifier.formats.onnx.call import Call
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.ops.masked import masked
from verifier.formats.onnx.ops.shape import permuted
from verifier.formats.onnx.values import Value, Wire
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.softmax import MAX_ROLLED, Differences, Softmax


def hardmax(x: Tensor, dim: int) -> Tensor:
    """One at the first greatest entry, zero elsewhere."""
    return torch.zeros_like(x).scatter(dim, x.argmax(dim=dim, keepdim=True), 1.0)


def softmax(call: Call, x: Wire, axis: int) -> Wire:
    """Entry by entry along the last axis; a large one as it is."""
    rank, size = len(x.shape), x.shape[axis]
    if not 0 < math.prod(x.shape) * size <= MAX_ROLLED:
        return opaque("Softmax", torch.softmax)(call, x, axis)
    if axis < rank - 1 and size == math.prod(x.shape):
        return reshape(call, _shares(call, reshape(call, x, (size,))), x.shape)
    order = (*(a for a in range(rank) if a != axis), axis)
    back = sorted(range(rank), key=lambda a: order[a])
    return call.to_wire(permuted(call, _shares(call, call.to_wire(permuted(call, x, order))), tuple(back)))


def _shares(call: Call, x: Wire) -> Wire:
    return masked(call, x, _rolled) or _rolled(call, x)


def _rolled(call: Call, x: Wire) -> Wire:
    return call.add(Softmax(whole=True), call.add(Differences(), x))


def opaque(name: str, function: Callable[..., Tensor]) -> Callable[[Call, Wire, int], Wire]:
    """Counted from the back, so that our batch axis makes no difference."""
    return lambda call, x, axis: call.add(Batchwise(name, partial(function, dim=axis - len(x.shape))), x)


def _over_axis(apply: Callable[[Call, Wire, int], Wire]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        x = call.wire(0)
        rank = len(x.shape)
        axis = call.axis(call.attr_int("axis", 1 if call.opset < 13 else -1), rank)
        if call.opset >= 13 or axis == rank - 1:
            return apply(call, x, axis)
        flat = reshape(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        return reshape(call, apply(call, flat, 1), x.shape)

    return translate


TABLE = {
    "Softmax": _over_axis(softmax),
    "LogSoftmax": _over_axis(opaque("LogSoftmax", torch.log_softmax)),
    "Hardmax": _over_axis(opaque("Hardmax", hardmax)),
}
