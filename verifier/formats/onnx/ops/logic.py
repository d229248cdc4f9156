"""Comparisons and choices. Truth is a number here, one or zero."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from verifier.formats.onnx.call import Call, real
from verifier.formats.onnx.ops.arithmetic import operands, plus
from verifier.formats.onnx.ops.shape import expanded
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire
from verifier.graph.ops.dense import Scale, Shift
from verifier.graph.ops.opaque import Batchwise, Pointwise


@dataclass(frozen=True)
class Compare:
    """A comparison whose answer is a number; gradients are zero."""

    test: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.test(a, b).to(a.dtype)


def both(a: Tensor, b: Tensor) -> Tensor:
    return ((a != 0) & (b != 0)).to(a.dtype)


def either(a: Tensor, b: Tensor) -> Tensor:
    return ((a != 0) | (b != 0)).to(a.dtype)


def exactly_one(a: Tensor, b: Tensor) -> Tensor:
    return ((a != 0) ^ (b != 0)).to(a.dtype)


def neither(a: Tensor) -> Tensor:
    return (a == 0).to(a.dtype)


def choose(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition != 0, a, b)


def _two(name: str, function: Callable[[Tensor, Tensor], Tensor]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        a, b = operands(call)
        return call.add(Pointwise(name, function), a, b, type=TensorProto.BOOL)

    return translate


def negation(call: Call) -> Value:
    return call.add(Pointwise("Not", neither), call.value(0), type=TensorProto.BOOL)


def where(call: Call) -> Value:
    condition, a, b = (call.value(i) for i in range(3))
    shape = call.broadcast(condition, a, b)
    if isinstance(condition, Wire):
        return call.add(Pointwise("Where", choose), condition, a, b, type=a.type)
    mask = np.broadcast_to(condition.array.astype(bool), shape)
    if mask.all() or not mask.any():
        return expanded(call, a if mask.all() else b, shape)
    return plus(call, _masked(call, a, mask), _masked(call, b, ~mask))


def _masked(call: Call, x: Tensorial, mask: np.ndarray) -> Tensorial:
    """`x` where the mask is true, zero elsewhere. A constant there may be infinite, so it is never multiplied."""
    if isinstance(x, Const):
        return Const(np.where(mask, x.array, 0), x.type)
    return call.add(Scale(real(mask, x).tensor()), x)


def one_hot(call: Call) -> Value:
    """Compare with all the places, then stretch truth to (off, on)."""
    index, depth = call.wire(0), int(call.constant(1, "depth").array.reshape(-1)[0])
    values = call.constant(2, "pair of values")
    off, on = (float(v) for v in values.array.reshape(-1))
    rank = len(index.shape) + 1
    axis = call.axis(call.attr_int("axis", -1), rank)
    call.admit((*index.shape, depth))
    truth = call.add(Batchwise("OneHot", OneHot(depth, axis)), index, type=values.type)
    scaled = call.add(Scale(torch.tensor(on - off, dtype=torch.float64)), truth)
    return call.add(Shift(torch.tensor(off, dtype=torch.float64)), scaled)


@dataclass(frozen=True)
class OneHot:
    depth: int
    axis: int

    def __call__(self, index: Tensor) -> Tensor:
        x = index.unsqueeze(self.axis + 1)
        places = torch.arange(self.depth, dtype=x.dtype, device=x.device)
        places = places.reshape(-1, *(1,) * (x.dim() - self.axis - 2))
        return (torch.where(x < 0, x + self.depth, x) == places).to(x.dtype)


TABLE = {
    "Equal": _two("Equal", Compare(torch.eq)),
    "Less": _two("Less", Compare(torch.lt)),
    "LessOrEqual": _two("LessOrEqual", Compare(torch.le)),
    "Greater": _two("Greater", Compare(torch.gt)),
    "GreaterOrEqual": _two("GreaterOrEqual", Compare(torch.ge)),
    "And": _two("And", both),
    "Or": _two("Or", either),
    "Xor": _two("Xor", exactly_one),
    "Not": negation,
    "Where": where,
    "OneHot": one_hot,
}
