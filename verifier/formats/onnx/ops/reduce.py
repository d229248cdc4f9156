"""Reductions over axes, and maxima and minima of several tensors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.ops.activation import clamp
from verifier.formats.onnx.ops.arithmetic import negative
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.ops.functions import ROOT, SQUARE
from verifier.formats.onnx.ops.shape import axes_of, expanded, permuted
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire, is_integer
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Relu
from verifier.graph.ops.dense import Reduce
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.place import ArgMost
from verifier.graph.ops.pool import Max
from verifier.graph.ops.shape import Concat
from verifier.graph.ops.smooth import Log
from verifier.graph.ops.softmax import MAX_ROLLED, Differences


@dataclass(frozen=True)
class ProductOver:
    """Product over axes, counted without our batch axis; the last one first, so that numbers stay valid."""

    axes: tuple[int, ...]
    keepdim: bool

    def __call__(self, x: Tensor) -> Tensor:
        for axis in sorted(self.axes, reverse=True):
            x = x.prod(dim=axis + 1, keepdim=self.keepdim)
        return x


@dataclass(frozen=True)
class LogSumExpOver:
    axes: tuple[int, ...]
    keepdim: bool

    def __call__(self, x: Tensor) -> Tensor:
        return x.logsumexp(dim=[a + 1 for a in self.axes], keepdim=self.keepdim)


@dataclass(frozen=True)
class ArgMostOver:
    """Place of the greatest (or `least`) entry; of several the first, or the `last`."""

    axis: int
    keepdim: bool
    least: bool
    last: bool

    def __call__(self, x: Tensor) -> Tensor:
        axis = self.axis + 1
        signed = -x if self.least else x
        if self.last:
            place = x.shape[axis] - 1 - signed.flip(axis).argmax(dim=axis, keepdim=self.keepdim)
        else:
            place = signed.argmax(dim=axis, keepdim=self.keepdim)
        return place.to(x.dtype)


@dataclass(frozen=True)
class Most:
    """The `count` greatest (or least) entries along an axis, in order; their places where `place`."""

    count: int
    axis: int
    largest: bool
    place: bool

    def __call__(self, x: Tensor) -> Tensor:
        values, places = x.sort(dim=self.axis + 1, descending=self.largest, stable=True)
        return (places.to(x.dtype) if self.place else values).narrow(self.axis + 1, 0, self.count)


def scope(call: Call, x: Tensorial) -> tuple[tuple[int, ...], bool]:
    """Axes to reduce and whether they stay as ones."""
    axes = axes_of(call)
    keep, idle = bool(call.attr_int("keepdims", 1)), bool(call.attr_int("noop_with_empty_axes", 0))
    if not axes:
        return ((), keep) if idle else (tuple(range(len(x.shape))), keep)
    return tuple(sorted({call.axis(a, len(x.shape)) for a in axes})), keep


def summed(call: Call, x: Wire, axes: tuple[int, ...], keep: bool) -> Wire:
    return call.add(Reduce(axes, keep), x) if axes else x


def averaged(call: Call, x: Wire, axes: tuple[int, ...], keep: bool) -> Wire:
    count = math.prod(x.shape[a] for a in axes)
    return call.divided(summed(call, x, axes, keep), real(count, x))


def greatest(call: Call, x: Wire, axes: tuple[int, ...], keep: bool) -> Wire:
    if not axes:
        return x
    stay = tuple(a for a in range(len(x.shape)) if a not in axes)
    moved = call.to_wire(permuted(call, x, (*stay, *axes)))
    flat = reshape(call, moved, (*(x.shape[a] for a in stay), math.prod(x.shape[a] for a in axes)))
    out = call.add(Max(), flat)
    return reshape(call, out, tuple(1 if a in axes else n for a, n in enumerate(x.shape))) if keep else out


def least(call: Call, x: Wire, axes: tuple[int, ...], keep: bool) -> Wire:
    return negative(call, greatest(call, negative(call, x), axes, keep))


LENGTH = (Relu(), ROOT)  # of a sum of squares, whose interval rounding may widen below zero
Reducer = Callable[[Call, Wire, tuple[int, ...], bool], Wire]


def _reduction(reducer: Reducer, before: Op | None = None, after: Sequence[Op] = ()):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        x = call.wire(0)
        axes, keep = scope(call, x)
        if before is not None:
            x = call.add(before, x)
        out = reducer(call, x, axes, keep)
        for op in after:
            out = call.add(op, out)
        return out

    return translate


def reduce_mean(call: Call) -> Value:
    x = call.wire(0)
    if is_integer(x.type):
        raise Obstacle("a mean of integers rounds")
    return averaged(call, x, *scope(call, x))


def _opaque(name: str, function: type[ProductOver] | type[LogSumExpOver]) -> Reducer:
    def reducer(call: Call, x: Wire, axes: tuple[int, ...], keep: bool) -> Wire:
        return call.add(Batchwise(name, function(axes, keep)), x)

    return reducer


def _arg(least: bool):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        x = call.wire(0)
        axis = call.axis(call.attr_int("axis", 0), len(x.shape))
        keep, last = bool(call.attr_int("keepdims", 1)), bool(call.attr_int("select_last_index", 0))
        size = x.shape[axis]
        if math.prod(x.shape) * (size - 1) > MAX_ROLLED or size < 2:
            function = ArgMostOver(axis, keep, least, last)
            return call.add(Batchwise("ArgMin" if least else "ArgMax", function), x, type=7)
        stay = tuple(a for a in range(len(x.shape)) if a != axis)
        moved = permuted(call, negative(call, x) if least else x, (*stay, axis))
        lead = tuple(x.shape[a] for a in stay)
        above = reshape(call, call.add(Differences(), moved), (*lead, size * (size - 1)))
        out = call.add(ArgMost(size, last), above, type=7)
        return reshape(call, out, tuple(1 if a == axis else n for a, n in enumerate(x.shape))) if keep else out

    return translate


def top_k(call: Call) -> Value | tuple[Value, ...]:
    x = call.wire(0)
    count = call.attr_int("k") if call.opset < 10 else call.integers(1, "k")[0]
    axis = call.axis(call.attr_int("axis", -1), len(x.shape))
    largest = bool(call.attr_int("largest", 1))
    call.ignore("sorted")
    values = call.add(Batchwise("TopK", Most(count, axis, largest, place=False)), x)
    return values, call.add(Batchwise("TopK", Most(count, axis, largest, place=True)), x, type=7)


def maximum(call: Call) -> Value:
    return most(call, call.values())


def minimum(call: Call) -> Value:
    mirrored = [real(-v.array, v) if isinstance(v, Const) else negative(call, v) for v in call.values()]
    if sum(isinstance(v, Wire) for v in mirrored) == 1:
        return _bounded(call, call.values())
    return negative(call, most(call, mirrored))


def most(call: Call, values: list[Tensorial]) -> Wire:
    """Greatest of several: constants become a clip, the rest is stacked along a new last axis."""
    shape = call.broadcast(*values)
    constants = [v for v in values if isinstance(v, Const)]
    wires = [call.to_wire(expanded(call, v, shape)) for v in values if isinstance(v, Wire)]
    if not wires:
        return call.add_constant(real(np.maximum.reduce([c.array for c in constants]), values[0]))
    out = wires[0]
    if len(wires) > 1:
        out = call.add(Max(), call.add(Concat(len(shape)), *(reshape(call, w, (*shape, 1)) for w in wires)))
    if constants:
        bound = constants[0].array
        for c in constants[1:]:
            bound = np.maximum(bound, c.array)
        out = clamp(call, out, real(bound, out), None)
    return out


def _bounded(call: Call, values: list[Tensorial]) -> Wire:
    """Minimum of one value and constants."""
    shape = call.broadcast(*values)
    (wire,) = (v for v in values if isinstance(v, Wire))
    bound = np.asarray(np.inf)
    for v in values:
        if isinstance(v, Const):
            bound = np.minimum(bound, v.array)
    out = call.to_wire(expanded(call, wire, shape))
    return clamp(call, out, None, real(bound, wire)) if len(values) > 1 else out


TABLE = {
    "ReduceSum": _reduction(summed),
    "ReduceMean": reduce_mean,
    "ReduceMax": _reduction(greatest),
    "ReduceMin": _reduction(least),
    "ReduceL1": _reduction(summed, before=Abs()),
    "ReduceL2": _reduction(summed, before=SQUARE, after=LENGTH),
    "ReduceSumSquare": _reduction(summed, before=SQUARE),
    "ReduceLogSum": _reduction(summed, after=(Log(),)),
    "ReduceLogSumExp": _reduction(_opaque("LogSumExp", LogSumExpOver)),
    "ReduceProd": _reduction(_opaque("ReduceProd", ProductOver)),
    "ArgMax": _arg(least=False),
    "ArgMin": _arg(least=True),
    "TopK": top_k,
    "Max": maximum,
    "Min": minimum,
}
