"""Comparisons and choices. Truth is a number here, one or zero."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from verifier.formats.onnx.call import Call, real
from verifier.formats.onnx.ops.activation import scalar
from verifier.formats.onnx.ops.arithmetic import minus, operands, plus, times
from verifier.formats.onnx.ops.shape import expanded
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire
from verifier.graph.ops.activation import NonZero, Positive
from verifier.graph.ops.dense import Scale, Shift
from verifier.graph.ops.opaque import Batchwise, Pointwise


def choose(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition != 0, a, b)


def opposite(call: Call, truth: Tensorial) -> Wire:
    return call.add(Shift(scalar(1.0)), call.add(Scale(scalar(-1.0)), truth), type=TensorProto.BOOL)


def exceeds(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    """`a > b`."""
    return call.add(Positive(), minus(call, a, b), type=TensorProto.BOOL)


def differs(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    return call.add(NonZero(), minus(call, a, b), type=TensorProto.BOOL)


def conjunction(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    return replace(times(call, a, b), type=TensorProto.BOOL)


def disjunction(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    return opposite(call, conjunction(call, opposite(call, a), opposite(call, b)))


Join = Callable[[Call, Tensorial, Tensorial], Wire]


def _two(join: Join):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        return join(call, *operands(call))

    return translate


def _comparison(name: str, test: Callable[[Tensor, Tensor], Tensor], join: Join):  # type: ignore[no-untyped-def]
    """By a difference to zero; infinite constants have none, so comparing with them is only evaluated."""

    def translate(call: Call) -> Value:
        a, b = operands(call)
        if finite(a) and finite(b):
            return join(call, a, b)
        return call.add(Pointwise(name, Compare(test)), a, b, type=TensorProto.BOOL)

    return translate


def finite(value: Tensorial) -> bool:
    return isinstance(value, Wire) or bool(np.isfinite(value.array.astype(np.float64)).all())


@dataclass(frozen=True)
class Compare:
    """A comparison whose answer is a number; gradients are zero."""

    test: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.test(a, b).to(a.dtype)


def negation(call: Call) -> Value:
    return opposite(call, call.value(0))


def where(call: Call) -> Value:
    condition, a, b = (call.value(i) for i in range(3))
    shape = call.broadcast(condition, a, b)
    if isinstance(condition, Wire):
        return _chosen(call, condition, a, b)
    mask = np.broadcast_to(condition.array.astype(bool), shape)
    if mask.all() or not mask.any():
        return expanded(call, a if mask.all() else b, shape)
    return plus(call, _masked(call, a, mask), _masked(call, b, ~mask))


def _chosen(call: Call, condition: Wire, a: Tensorial, b: Tensorial) -> Wire:
    """`c * a + (1 - c) * b`, which changes no number where `c` is exactly one or zero, and all are finite."""
    if not (finite(a) and finite(b)):
        return call.add(Pointwise("Where", choose), condition, a, b, type=a.type)
    left, right = times(call, a, condition), times(call, b, opposite(call, condition))
    return replace(plus(call, left, right), type=a.type)


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
    "Equal": _comparison("Equal", torch.eq, lambda call, a, b: opposite(call, differs(call, a, b))),
    "Less": _comparison("Less", torch.lt, lambda call, a, b: exceeds(call, b, a)),
    "LessOrEqual": _comparison("LessOrEqual", torch.le, lambda call, a, b: opposite(call, exceeds(call, a, b))),
    "Greater": _comparison("Greater", torch.gt, exceeds),
    "GreaterOrEqual": _comparison("GreaterOrEqual", torch.ge, lambda call, a, b: opposite(call, exceeds(call, b, a))),
    "And": _two(conjunction),
    "Or": _two(disjunction),
    "Xor": _two(differs),
    "Not": negation,
    "Where": where,
    "OneHot": one_hot,
}
