"""Elementwise functions that bend, and those that can only be evaluated and differentiated."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.activation import scalar
from verifier.formats.onnx.ops.arithmetic import operands
from verifier.formats.onnx.values import Const, Value, Wire, is_integer
from verifier.graph.op import Op
from verifier.graph.ops.dense import Constant, Scale
from verifier.graph.ops.opaque import Pointwise
from verifier.graph.ops.smooth import (
    Acos,
    Asin,
    Asinh,
    Atan,
    Cos,
    Cosh,
    Elu,
    Erf,
    Exp,
    Exponential,
    Gelu,
    GeluTanh,
    HardSwish,
    Log,
    Mish,
    Power,
    Silu,
    Sin,
    Sinh,
    Softplus,
    Softsign,
)

SQUARE, ROOT = Power(2.0), Power(0.5)


@dataclass(frozen=True)
class Shrink:
    """Zero near zero, elsewhere moved towards it by `bias`."""

    limit: float
    bias: float

    def __call__(self, x: Tensor) -> Tensor:
        outside = torch.where(x > self.limit, x - self.bias, torch.zeros_like(x))
        return torch.where(x < -self.limit, x + self.bias, outside)


@dataclass(frozen=True)
class Threshold:
    """`x` above `limit`, else zero."""

    limit: float

    def __call__(self, x: Tensor) -> Tensor:
        return torch.where(x > self.limit, x, torch.zeros_like(x))


def power(call: Call) -> Value:
    x, exponent = operands(call)
    if is_integer(x.type) and not (isinstance(exponent, Const) and (exponent.array >= 0).all()):
        raise Obstacle("an integer to a power that is not known to be positive")
    if isinstance(x, Const) and isinstance(exponent, Wire):
        return _exponential(call, x, exponent)
    uniform = isinstance(exponent, Const) and exponent.array.size and np.ptp(exponent.array) == 0
    if not isinstance(exponent, Const) or not uniform or call.broadcast(x, exponent) != x.shape:
        return call.add(Pointwise("Pow", torch.pow), x, exponent)
    p = float(exponent.array.reshape(-1)[0])
    if p == 1:
        return x
    if p == 0:
        return call.add(Constant(torch.ones(x.shape, dtype=torch.float64)), type=x.type)
    return call.add(Power(p), x)


def _exponential(call: Call, base: Const, x: Wire) -> Value:
    """Powers of one positive constant are bounded, others only evaluated."""
    bases = np.unique(base.array)
    if bases.size != 1 or not 0 < bases[0] < np.inf or bases[0] == 1 or call.broadcast(base, x) != x.shape:
        return call.add(Pointwise("Pow", torch.pow), base, x, type=base.type)
    return call.add(Exponential(float(bases[0])), x, type=base.type)


def elu(call: Call) -> Value:
    return call.add(Elu(call.attr_float("alpha", 1.0)), call.value(0))


def selu(call: Call) -> Value:
    alpha = call.attr_float("alpha", 1.67326319217681884765625)
    gamma = call.attr_float("gamma", 1.05070102214813232421875)
    return call.add(Elu(alpha, gamma), call.value(0))


def celu(call: Call) -> Value:
    alpha = call.attr_float("alpha", 1.0)
    return call.add(Elu(alpha, 1.0, alpha), call.value(0))


def gelu_node(call: Call) -> Value:
    approximate = call.attr_text("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise Obstacle(f"approximation {approximate!r} is unknown")
    return call.add(Gelu() if approximate == "none" else GeluTanh(), call.value(0))


def swish(call: Call) -> Value:
    """`x * sigmoid(alpha * x)`, so SiLU between two scales."""
    alpha, x = call.attr_float("alpha", 1.0), call.value(0)
    if alpha == 1:
        return call.add(Silu(), x)
    if alpha == 0:
        return call.add(Scale(scalar(0.5)), x)
    return call.add(Scale(scalar(1 / alpha)), call.add(Silu(), call.add(Scale(scalar(alpha)), x)))


def shrink(call: Call) -> Value:
    function = Shrink(call.attr_float("lambd", 0.5), call.attr_float("bias", 0.0))
    return call.add(Pointwise("Shrink", function), call.value(0))


def thresholded_relu(call: Call) -> Value:
    return call.add(Pointwise("ThresholdedRelu", Threshold(call.attr_float("alpha", 1.0))), call.value(0))


def mod(call: Call) -> Value:
    a, b = operands(call)
    return call.add(Pointwise("Mod", torch.fmod if call.attr_int("fmod", 0) else torch.remainder), a, b)


def not_a_number(x: Tensor) -> Tensor:
    return torch.isnan(x).to(x.dtype)


def is_infinite(call: Call) -> Value:
    function = Infinite(bool(call.attr_int("detect_negative", 1)), bool(call.attr_int("detect_positive", 1)))
    return call.add(Pointwise("IsInf", function), call.value(0), type=9)


@dataclass(frozen=True)
class Infinite:
    negative: bool
    positive: bool

    def __call__(self, x: Tensor) -> Tensor:
        low = (x == -math.inf) & self.negative
        return (low | ((x == math.inf) & self.positive)).to(x.dtype)


def is_nan(call: Call) -> Value:
    return call.add(Pointwise("IsNaN", not_a_number), call.value(0), type=9)


def _unary(op: Op):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        call.ignore("consumed_inputs")
        return call.add(op, call.value(0))

    return translate


BENDING: dict[str, Op] = {
    "Exp": Exp(),
    "Log": Log(),
    "Sqrt": ROOT,
    "Reciprocal": Power(-1.0),
    "Erf": Erf(),
    "Sin": Sin(),
    "Cos": Cos(),
    "Asin": Asin(),
    "Acos": Acos(),
    "Atan": Atan(),
    "Sinh": Sinh(),
    "Cosh": Cosh(),
    "Asinh": Asinh(),
    "Softplus": Softplus(),
    "Softsign": Softsign(),
    "Mish": Mish(),
    "HardSwish": HardSwish(),
}
OPAQUE: dict[str, Callable[[Tensor], Tensor]] = {"Tan": torch.tan, "Acosh": torch.acosh, "Atanh": torch.atanh}

TABLE = {
    **{name: _unary(op) for name, op in BENDING.items()},
    **{name: _unary(Pointwise(name, function)) for name, function in OPAQUE.items()},
    "Pow": power,
    "Elu": elu,
    "Selu": selu,
    "Celu": celu,
    "Gelu": gelu_node,
    "Swish": swish,
    "Shrink": shrink,
    "ThresholdedRelu": thresholded_relu,
    "Mod": mod,
    "IsInf": is_infinite,
    "IsNaN": is_nan,
}
