"""Softmax and its relatives. Before opset 13 they first fold their argument to a matrix."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from verifier.formats.onnx.call import Call
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.values import Value
from verifier.graph.ops.opaque import Batchwise


def hardmax(x: Tensor, dim: int) -> Tensor:
    """One at the first greatest entry, zero elsewhere."""
    return torch.zeros_like(x).scatter(dim, x.argmax(dim=dim, keepdim=True), 1.0)


def _over_axis(name: str, function: Callable[..., Tensor]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        x = call.wire(0)
        rank = len(x.shape)
        axis = call.axis(call.attr_int("axis", 1 if call.opset < 13 else -1), rank)
        if call.opset >= 13 or axis == rank - 1:  # counted from the back, our batch axis makes no difference
            return call.add(Batchwise(name, partial(function, dim=axis - rank)), x)
        flat = reshape(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        return reshape(call, call.add(Batchwise(name, partial(function, dim=-1)), flat), x.shape)

    return translate


TABLE = {
    "Softmax": _over_axis("Softmax", torch.softmax),
    "LogSoftmax": _over_axis("LogSoftmax", torch.log_softmax),
    "Hardmax": _over_axis("Hardmax", hardmax),
}
