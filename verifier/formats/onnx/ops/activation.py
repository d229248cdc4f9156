"""Elementwise functions of one argument that have an op of their own, and those of several made of them."""

import numpy as np
import torch
from torch import Tensor

from verifier.formats.onnx.call import Call, real
from verifier.formats.onnx.values import Const, Value, Wire, is_integer
from verifier.graph.op import Op
from verifier.graph.ops import activation as ops
from verifier.graph.ops.dense import Scale, Shift


def _plain(make: type[Op]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        call.ignore("consumed_inputs")
        return call.add(make(), call.value(0))

    return translate


def _rounding(make: type[Op]):  # type: ignore[no-untyped-def]
    """Floor, Ceil, Round: nothing to do for integers."""

    def translate(call: Call) -> Value:
        x = call.value(0)
        return x if is_integer(x.type) else call.add(make(), x)

    return translate


def leaky_relu(call: Call) -> Value:
    return call.add(ops.LeakyRelu(scalar(call.attr_float("alpha", 0.01))), call.value(0))


def prelu(call: Call) -> Value:
    x, slope = call.value(0), call.constant(1, "slope")
    call.broadcast(x, slope)
    return call.add(ops.LeakyRelu(slope.tensor()), x)


def clip(call: Call) -> Value:
    x = call.value(0)
    if call.opset < 11:
        least: Const | None = real(call.attr_float("min", -np.inf), x)
        greatest: Const | None = real(call.attr_float("max", np.inf), x)
    else:
        least, greatest = call.optional_constant(1, "minimum"), call.optional_constant(2, "maximum")
    return clamp(call, x, least, greatest)


def clamp(call: Call, x: Const | Wire, least: Const | None, greatest: Const | None) -> Wire:
    """`Clip`, or the simpler op that it amounts to."""
    low = scalar(-np.inf) if least is None else least.tensor()
    high = scalar(np.inf) if greatest is None else greatest.tensor()
    if bool((high == np.inf).all()) and bool((low == 0).all()) and low.numel() == 1:
        return call.add(ops.Relu(), x)
    return call.add(ops.Clip(low, high), x)


def hard_sigmoid(call: Call) -> Value:
    alpha, beta = call.attr_float("alpha", 0.2), call.attr_float("beta", 0.5)
    return hard(call, call.value(0), alpha, beta)


def hard(call: Call, x: Const | Wire, alpha: float, beta: float) -> Wire:
    line = call.add(Shift(scalar(beta)), call.add(Scale(scalar(alpha)), x))
    return call.add(ops.Clip(scalar(0.0), scalar(1.0)), line)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


TABLE = {
    "Relu": _plain(ops.Relu),
    "Abs": _plain(ops.Abs),
    "Sign": _plain(ops.Sign),
    "Sigmoid": _plain(ops.Sigmoid),
    "Tanh": _plain(ops.Tanh),
    "Floor": _rounding(ops.Floor),
    "Ceil": _rounding(ops.Ceil),
    "Round": _rounding(ops.Round),
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Clip": clip,
    "HardSigmoid": hard_sigmoid,
}
