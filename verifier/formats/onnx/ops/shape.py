"""Ops that only give entries another shape or order."""

import math

import numpy as np
from onnx import TensorProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call
from verifier.formats.onnx.ops.dense import reshape as reshaped
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire, integers
from verifier.graph.ops.shape import Concat, Expand, Transpose


def shape(call: Call) -> Value:
    """Shapes are static, so this is always a constant."""
    sizes = call.value(0).shape
    start, end = call.attr_int("start", 0), call.attr_int("end", len(sizes))
    return integers(*sizes[slice(*(max(n + len(sizes), 0) if n < 0 else n for n in (start, end)))])


def size(call: Call) -> Value:
    return Const(np.array(math.prod(call.value(0).shape), dtype=np.int64), TensorProto.INT64)


def reshape(call: Call) -> Value:
    x = call.value(0)
    target = call.attr_ints("shape") if call.opset < 5 else call.integers(1, "shape")
    call.ignore("consumed_inputs")
    keep_zero = bool(call.attr_int("allowzero", 0))
    return reform(call, x, resolve(call, x.shape, target, keep_zero))


def resolve(call: Call, old: tuple[int, ...], target: list[int], keep_zero: bool) -> tuple[int, ...]:
    """The shape that 0 (same as before) and -1 (whatever is left) stand for."""
    new = list(target)
    for i, n in enumerate(new):
        if n == 0 and not keep_zero:
            if i >= len(old):
                raise InvalidModel(f"node {call.name}: shape {target} copies an axis that {old} lacks")
            new[i] = old[i]
    if new.count(-1) > 1 or min(new, default=0) < -1:
        raise InvalidModel(f"node {call.name}: shape {target} is no shape")
    if -1 in new:
        rest = math.prod(n for n in new if n != -1)
        if rest == 0 or math.prod(old) % rest:
            raise InvalidModel(f"node {call.name}: {old} can't be reshaped to {target}")
        new[new.index(-1)] = math.prod(old) // rest
    if math.prod(new) != math.prod(old):
        raise InvalidModel(f"node {call.name}: {old} can't be reshaped to {target}")
    return tuple(new)


def reform(call: Call, x: Tensorial, new: tuple[int, ...]) -> Tensorial:
    """Another shape, without a node where `x` is constant or has it already."""
    if isinstance(x, Const):
        return Const(x.array.reshape(new), x.type)
    return reshaped(call, x, new)


def flatten(call: Call) -> Value:
    x = call.value(0)
    axis = call.attr_int("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    if not 0 <= axis <= len(x.shape):
        raise InvalidModel(f"node {call.name}: axis {axis} of a tensor with {len(x.shape)} axes")
    return reform(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def axes_of(call: Call, index: int = 1) -> list[int] | None:
    """Axes: an attribute until opset 12, an input since; None where absent or empty of meaning."""
    if call.has("axes"):
        return call.attr_ints("axes")
    return None if call.optional(index) is None else call.integers(index, "axes")


def squeeze(call: Call) -> Value:
    x = call.value(0)
    axes = axes_of(call)
    chosen = [i for i, n in enumerate(x.shape) if n == 1] if axes is None else axes
    gone = {call.axis(a, len(x.shape)) for a in chosen}
    if any(x.shape[i] != 1 for i in gone):
        raise InvalidModel(f"node {call.name}: axes {sorted(gone)} of shape {x.shape} are not all of size one")
    return reform(call, x, tuple(n for i, n in enumerate(x.shape) if i not in gone))


def unsqueeze(call: Call) -> Value:
    x = call.value(0)
    axes = axes_of(call)
    if axes is None:
        raise InvalidModel(f"node {call.name}: no axes")
    rank = len(x.shape) + len(axes)
    new = {call.axis(a, rank) for a in axes}
    if len(new) != len(axes):
        raise InvalidModel(f"node {call.name}: an axis occurs twice in {axes}")
    sizes = iter(x.shape)
    return reform(call, x, tuple(1 if i in new else next(sizes) for i in range(rank)))


def transpose(call: Call) -> Value:
    x = call.value(0)
    order = call.attr_ints("perm", list(reversed(range(len(x.shape)))))
    return permuted(call, x, tuple(call.axis(a, len(x.shape)) for a in order))


def permuted(call: Call, x: Tensorial, order: tuple[int, ...]) -> Tensorial:
    if sorted(order) != list(range(len(x.shape))):
        raise InvalidModel(f"node {call.name}: {order} does not permute {len(x.shape)} axes")
    if isinstance(x, Const):
        return Const(x.array.transpose(order), x.type)
    return x if order == tuple(range(len(order))) else call.add(Transpose(order), x)


def concat(call: Call) -> Value:
    values = call.values()
    default = 1 if call.opset < 4 else None
    axis = call.axis(call.attr_int("axis", default), len(values[0].shape))
    return joined(call, values, axis)


def joined(call: Call, values: list[Tensorial], axis: int) -> Tensorial:
    kept = [v for v in values if math.prod(v.shape)] or values[:1]
    call.admit((sum(math.prod(v.shape) for v in kept),))
    return kept[0] if len(kept) == 1 else call.add(Concat(axis), *kept)


def expand(call: Call) -> Value:
    x = call.value(0)
    return expanded(call, x, tuple(call.integers(1, "shape")))


def expanded(call: Call, x: Tensorial, target: tuple[int, ...]) -> Tensorial:
    """Broadcast against `target`, which may have ones where `x` is larger."""
    call.admit(target)
    new = np.broadcast_shapes(x.shape, target)
    call.admit(new)
    if isinstance(x, Wire):
        return x if new == x.shape else call.add(Expand(new), x)
    return Const(np.broadcast_to(x.array, new), x.type)


TABLE = {
    "Shape": shape,
    "Size": size,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Expand": expand,
}
