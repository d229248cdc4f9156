"""Changes of element type. A network is a function on real numbers here, so rounding on the way is not modelled."""

import numpy as np
from onnx import TensorProto

from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.values import INTEGER, PRECISION, Const, Value, Wire, is_integer, is_real, rounded, type_name
from verifier.graph.ops.activation import NonZero, Trunc


def cast_constant(x: Const, to: int) -> Const:
    """Constants are really converted, with the file's own rounding."""
    if is_real(to):
        narrow = PRECISION.get(to)
        if narrow is None and to != x.type:
            raise Obstacle(f"a cast to {type_name(to)} is not supported")
        array = x.array.astype(np.float64)
        return Const(array if narrow is None or _widens(x.type, to) else array.astype(narrow).astype(np.float64), to)
    source = rounded(x) if is_real(x.type) else x.array
    if to == TensorProto.BOOL:
        return Const(source != 0, to)
    if to in INTEGER:
        with np.errstate(invalid="ignore"):
            return Const(source.astype(INTEGER[to]), to)
    raise Obstacle(f"a cast to {type_name(to)} is not supported")


def cast(call: Call) -> Value:
    call.ignore("saturate", "round_mode")
    return converted(call, call.value(0), call.attr_int("to"))


def cast_like(call: Call) -> Value:
    call.ignore("saturate", "round_mode")
    return converted(call, call.value(0), call.value(1).type)


def converted(call: Call, x: Const | Wire, to: int) -> Value:
    if isinstance(x, Const):
        return cast_constant(x, to)
    if to == TensorProto.BOOL and x.type != TensorProto.BOOL:
        return call.add(NonZero(), x, type=to)
    if is_integer(to) and is_real(x.type):
        return call.add(Trunc(), x, type=to)
    if is_real(to) and is_real(x.type) and not _widens(x.type, to):
        raise Obstacle(f"a cast from {type_name(x.type)} to {type_name(to)} rounds; save the model in one precision")
    if is_real(to) or is_integer(to) or to == x.type:
        return Wire(x.node, x.shape, to)
    raise Obstacle(f"a cast from {type_name(x.type)} to {type_name(to)} is not supported")


def _widens(source: int, to: int) -> bool:
    """Float32 and float64 count as one: both stand for real numbers. Narrower types are coarse enough to matter."""
    coarse = (TensorProto.FLOAT, TensorProto.DOUBLE)
    return source == to or to in coarse or not is_real(source)


TABLE = {"Cast": cast, "CastLike": cast_like}
