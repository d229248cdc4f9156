"""Ops that pass their input on, and constants that the file writes as nodes."""

import numpy as np
from onnx import TensorProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.values import Const, Value, constant, decode


def identity(call: Call) -> Value:
    value = call.any(0)
    if value is None:
        raise InvalidModel(f"node {call.name}: no input")
    return value


def dropout(call: Call) -> Value:
    """Does nothing when a network is used, as opposed to trained."""
    call.ignore("ratio", "seed", "is_test", "consumed_inputs")
    call.ignore_input(1)
    training = call.optional_constant(2, "training mode")
    if training is not None and training.array.any():
        raise Obstacle("training mode: it would drop entries at random")
    return call.value(0)


def constant_node(call: Call) -> Value:
    tensor = call.attr_tensor("value") if call.has("value") else None
    if tensor is not None:
        return decode(tensor, f"constant {call.outputs[0]!r}")
    if call.has("value_float"):
        return constant(np.float32(call.attr_float("value_float")))
    if call.has("value_floats"):
        return constant(np.array(call.attr_floats("value_floats"), dtype=np.float32))
    if call.has("value_int"):
        return constant(np.int64(call.attr_int("value_int")))
    if call.has("value_ints"):
        return constant(np.array(call.attr_ints("value_ints"), dtype=np.int64))
    raise Obstacle("only dense numbers are supported as constants")


def constant_of_shape(call: Call) -> Value:
    shape = tuple(call.integers(0, "shape"))
    call.admit(shape)
    tensor = call.attr_tensor("value")
    fill = Const(np.zeros(1), TensorProto.FLOAT) if tensor is None else decode(tensor, f"value of {call.name}")
    if fill.array.size != 1:
        raise InvalidModel(f"node {call.name}: its value has {fill.array.size} entries, not one")
    return Const(np.full(shape, fill.array.reshape(-1)[0]), fill.type)


TABLE = {
    "Identity": identity,
    "Dropout": dropout,
    "Constant": constant_node,
    "ConstantOfShape": constant_of_shape,
}
