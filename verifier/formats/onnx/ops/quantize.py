"""Quantisation: scaling, rounding and clipping, each an op that bounds know."""

import numpy as np
from onnx import TensorProto

from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.activation import scalar
from verifier.formats.onnx.values import INTEGER, Const, Tensorial, Value, Wire, type_name
from verifier.graph.ops.activation import Clip, Round
from verifier.graph.ops.dense import Scale, Shift

RANGES: dict[int, tuple[float, float]] = {TensorProto.INT4: (-8.0, 7.0), TensorProto.UINT4: (0.0, 15.0)}


def quantize_linear(call: Call) -> Value:
    x, scale, zero = call.value(0), call.constant(1, "scale"), call.optional_constant(2, "zero point")
    call.ignore("saturate", "precision")
    type = call.attr_int("output_dtype", 0) or (TensorProto.UINT8 if zero is None else zero.type)
    scale, zero = _placed(call, scale, x), None if zero is None else _placed(call, zero, x)
    return quantized(call, call.to_wire(x), scale, zero, type)


def quantized(call: Call, x: Wire, scale: Const, zero: Const | None, type: int) -> Wire:
    """`clip(round(x / scale) + zero)`, in the range of the integer type."""
    out = call.add(Round(), call.divided(x, scale))
    if zero is not None:
        out = call.add(Shift(zero.tensor()), out)
    low, high = limits(type)
    return call.add(Clip(scalar(low), scalar(high)), out, type=type)


def limits(type: int) -> tuple[float, float]:
    if type in RANGES:
        return RANGES[type]
    if type not in INTEGER:
        raise Obstacle(f"quantisation to {type_name(type)} is not supported")
    info = np.iinfo(INTEGER[type])
    return float(info.min), float(info.max)


def dequantize_linear(call: Call) -> Value:
    x, scale, zero = call.value(0), call.constant(1, "scale"), call.optional_constant(2, "zero point")
    call.ignore("output_dtype")
    scale, zero = _placed(call, scale, x), None if zero is None else _placed(call, zero, x)
    return dequantized(call, x, scale, zero)


def dequantized(call: Call, x: Tensorial, scale: Const, zero: Const | None) -> Tensorial:
    if isinstance(x, Const):
        shift = 0.0 if zero is None else zero.array.astype(np.float64)
        return Const((x.array.astype(np.float64) - shift) * scale.array, scale.type)
    out = x if zero is None else call.add(Shift(-zero.tensor()), x)
    return call.add(Scale(scale.tensor()), out, type=scale.type)


def _placed(call: Call, value: Const, x: Tensorial) -> Const:
    """A scale or zero point ready to broadcast: one number, one per entry of an axis, or one per block."""
    axis, block = call.attr_int("axis", 1), call.attr_int("block_size", 0)
    if value.array.size == 1:
        return Const(value.array.reshape(()), value.type)
    axis = call.axis(axis, len(x.shape))
    if block:
        spread = np.repeat(value.array, block, axis=axis)
        return Const(np.take(spread, np.arange(x.shape[axis]), axis=axis), value.type)
    return Const(value.array.reshape(-1, *(1,) * (len(x.shape) - axis - 1)), value.type)


TABLE = {"QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear}
