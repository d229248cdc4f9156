"""Elementwise functions without an op of their own: they can be evaluated and differentiated."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.arithmetic import operands
from verifier.formats.onnx.values import Const, Value, is_integer
from verifier.graph.ops.dense import Constant
from verifier.graph.ops.opaque import Pointwise

SQUARE = Pointwise("Square", torch.square)


def softplus(x: Tensor) -> Tensor:
    """`log(1 + exp(x))` without overflow and, unlike torch's own, without a threshold."""
    return torch.logaddexp(x, torch.zeros_like(x))


def softsign(x: Tensor) -> Tensor:
    return x / (1 + x.abs())


def gelu(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x)


def gelu_tanh(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x, approximate="tanh")


def mish(x: Tensor) -> Tensor:
    return x * softplus(x).tanh()


def hard_swish(x: Tensor) -> Tensor:
    return x * (x / 6 + 0.5).clamp(0, 1)


@dataclass(frozen=True)
class Elu:
    """`scale * x` where positive, else `scale * alpha * (exp(x / width) - 1)`: ELU, SELU and CELU."""

    alpha: float
    scale: float = 1.0
    width: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        below = self.alpha * torch.expm1(x.clamp(max=0) / self.width)
        return self.scale * torch.where(x > 0, x, below)


@dataclass(frozen=True)
class Swish:
    """`x * sigmoid(alpha * x)`."""

    alpha: float

    def __call__(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.alpha * x)


@dataclass(frozen=True)
class Power:
    """`x` to a constant exponent."""

    exponent: float

    def __call__(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)


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
    uniform = isinstance(exponent, Const) and exponent.array.size and np.ptp(exponent.array) == 0
    if not isinstance(exponent, Const) or not uniform or call.broadcast(x, exponent) != x.shape:
        return call.add(Pointwise("Pow", torch.pow), x, exponent)
    p = float(exponent.array.reshape(-1)[0])
    if p == 1:
        return x
    if p == 0:
        return call.add(Constant(torch.ones(x.shape, dtype=torch.float64)), type=x.type)
    short = {2.0: SQUARE, 0.5: Pointwise("Sqrt", torch.sqrt), -1.0: Pointwise("Reciprocal", torch.reciprocal)}
    return call.add(short.get(p, Pointwise("Pow", Power(p))), x)


def elu(call: Call) -> Value:
    return call.add(Pointwise("Elu", Elu(call.attr_float("alpha", 1.0))), call.value(0))


def selu(call: Call) -> Value:
    alpha = call.attr_float("alpha", 1.67326319217681884765625)
    gamma = call.attr_float("gamma", 1.05070102214813232421875)
    return call.add(Pointwise("Selu", Elu(alpha, gamma)), call.value(0))


def celu(call: Call) -> Value:
    alpha = call.attr_float("alpha", 1.0)
    return call.add(Pointwise("Celu", Elu(alpha, 1.0, alpha)), call.value(0))


def gelu_node(call: Call) -> Value:
    approximate = call.attr_text("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise Obstacle(f"approximation {approximate!r} is unknown")
    return call.add(Pointwise("Gelu", gelu if approximate == "none" else gelu_tanh), call.value(0))


def swish(call: Call) -> Value:
    return call.add(Pointwise("Swish", Swish(call.attr_float("alpha", 1.0))), call.value(0))


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


def _pointwise(name: str, function: Callable[[Tensor], Tensor]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Value:
        call.ignore("consumed_inputs")
        return call.add(Pointwise(name, function), call.value(0))

    return translate


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Erf": torch.erf,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tan": torch.tan,
    "Asin": torch.asin,
    "Acos": torch.acos,
    "Atan": torch.atan,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Asinh": torch.asinh,
    "Acosh": torch.acosh,
    "Atanh": torch.atanh,
    "Softplus": softplus,
    "Softsign": softsign,
    "Mish": mish,
    "HardSwish": hard_swish,
}

TABLE = {
    **{name: _pointwise(name, function) for name, function in PLAIN.items()},
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
