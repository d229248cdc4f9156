"""Elementwise functions: those that bounds know, and the rest as functions to evaluate."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from verifier.formats.torch.ops.arithmetic import clipped, negated, plus, scaled
from verifier.formats.torch.site import Lowering, Ref, Site, real, rows
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Ceil, Floor, LeakyRelu, Relu, Round, Sigmoid, Sign, Tanh, Trunc
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
)


def plain(op: Callable[[], Op]) -> Lowering:
    return always(op())


def always(op: Op) -> Lowering:
    """An op without parameters of its own."""
    return lambda site, x: site.add(op, x)


def pointwise(name: str, function: Callable[..., Tensor]) -> Lowering:
    """An operator that we can only evaluate; further arguments are numbers."""

    def lower(site: Site, x: Ref, *rest: Any) -> Ref:
        if any(isinstance(r, Ref | Tensor) for r in rest):
            site.refuse("a parameter that is a tensor")
        return site.add(Pointwise(name, lambda y: function(y, *rest)), x)

    return lower


def leaky_relu(site: Site, x: Ref, slope: float = 0.01) -> Ref:
    return site.add(LeakyRelu(real(slope)), x)


def rrelu(site: Site, x: Ref, lower: float, upper: float, training: bool, generator: Any = None) -> Ref:
    if training:
        site.refuse("a random slope: the module is in training mode")
    return leaky_relu(site, x, (lower + upper) / 2)


def prelu(site: Site, x: Ref, weight: Any) -> Ref:
    slope = site.known(weight, "slope")
    if slope.numel() == 1:
        return site.add(LeakyRelu(slope.reshape(())), x)
    return site.add(LeakyRelu(slope.reshape(-1, *(1,) * (site.rank(x) - 2))), x)


def clamp(site: Site, x: Any, least: Any = None, greatest: Any = None) -> Ref:
    if not isinstance(x, Ref) or isinstance(least, Ref) or isinstance(greatest, Ref):
        site.refuse("its limits depend on the input")
    return clipped(site, x, least, greatest)


def hardsigmoid(site: Site, x: Ref) -> Ref:
    return clipped(site, plus(site, scaled(site, x, 1 / 6), real(0.5)), 0, 1)


def gelu(site: Site, x: Ref, approximate: str = "none") -> Ref:
    if approximate not in ("none", "tanh"):
        site.refuse(f"approximation {approximate!r}")
    return site.add(Gelu() if approximate == "none" else GeluTanh(), x)


def elu(site: Site, x: Ref, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Ref:
    return site.add(Elu(float(alpha), float(scale), 1 / input_scale), x)


def celu(site: Site, x: Ref, alpha: float = 1) -> Ref:
    return site.add(Elu(float(alpha), 1.0, float(alpha)), x)


def softplus(site: Site, x: Ref, beta: float = 1, threshold: float = 20) -> Ref:
    """Where torch switches to a line, from 20 on, nothing that float32 could tell is lost."""
    if threshold < 20:
        site.refuse(f"a threshold of {threshold}")
    inner = site.add(Softplus(), scaled(site, x, float(beta)), part="softplus" if beta != 1 else "")
    return scaled(site, inner, 1 / beta)


def log_sigmoid(site: Site, x: Ref) -> Ref:
    return negated(site, site.add(Softplus(), negated(site, x, "negative"), part="softplus"))


def shifted(op: Op, before: float = 0, after: float = 0) -> Lowering:
    """`op(x + before) + after`."""
    return lambda site, x: plus(site, site.add(op, plus(site, x, before) if before else x), after)


BENDING: dict[str, Op] = {
    "exp": Exp(),
    "log": Log(),
    "sin": Sin(),
    "cos": Cos(),
    "asin": Asin(),
    "acos": Acos(),
    "atan": Atan(),
    "sinh": Sinh(),
    "cosh": Cosh(),
    "asinh": Asinh(),
    "sqrt": Power(0.5),
    "rsqrt": Power(-0.5),
    "reciprocal": Power(-1.0),
    "erf": Erf(),
    "silu": Silu(),
    "mish": Mish(),
    "selu": Elu(1.6732632423543772848170429916717, 1.0507009873554804934193349852946),
    "hardswish": HardSwish(),
}

POINTWISE: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "tan": ("Tan", torch.tan),
    "softshrink": ("Softshrink", functional.softshrink),
    "hardshrink": ("Hardshrink", functional.hardshrink),
    "threshold": ("Threshold", functional.threshold),
}

ACTIVATION: dict[str, Lowering] = {
    "relu.default": plain(Relu),
    "abs.default": plain(Abs),
    "sign.default": plain(Sign),
    "floor.default": plain(Floor),
    "ceil.default": plain(Ceil),
    "round.default": plain(Round),
    "trunc.default": plain(Trunc),
    "sigmoid.default": plain(Sigmoid),
    "tanh.default": plain(Tanh),
    "leaky_relu.default": leaky_relu,
    "rrelu.default": rrelu,
    "prelu.default": prelu,
    **rows("clamp.default clamp.Tensor hardtanh.default", clamp),
    **rows("clamp_min.default clamp_min.Tensor", clamp),
    **rows("clamp_max.default clamp_max.Tensor", lambda site, x, most: clamp(site, x, None, most)),
    "relu6.default": lambda site, x: clipped(site, x, 0, 6),
    "hardsigmoid.default": hardsigmoid,
    "gelu.default": gelu,
    "elu.default": elu,
    "celu.default": celu,
    "softplus.default": softplus,
    "log_sigmoid.default": log_sigmoid,
    "expm1.default": shifted(Exp(), after=-1),
    "log1p.default": shifted(Log(), before=1),
    **{f"{name}.default": always(op) for name, op in BENDING.items()},
    **{f"{name}.default": pointwise(*spec) for name, spec in POINTWISE.items()},
}
