"""Elementwise functions: those that bounds know, and the rest as functions to evaluate."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from verifier.formats.torch.ops.arithmetic import clipped, plus, scaled
from verifier.formats.torch.site import Lowering, Ref, Site, real, rows
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Ceil, Floor, LeakyRelu, Relu, Round, Sigmoid, Sign, Tanh
from verifier.graph.ops.opaque import Pointwise


def plain(op: Callable[[], Op]) -> Lowering:
    return lambda site, x: site.add(op(), x)


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


POINTWISE: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "exp": ("Exp", torch.exp),
    "expm1": ("Expm1", torch.expm1),
    "log": ("Log", torch.log),
    "log1p": ("Log1p", torch.log1p),
    "sin": ("Sin", torch.sin),
    "cos": ("Cos", torch.cos),
    "tan": ("Tan", torch.tan),
    "atan": ("Atan", torch.atan),
    "sinh": ("Sinh", torch.sinh),
    "cosh": ("Cosh", torch.cosh),
    "sqrt": ("Sqrt", torch.sqrt),
    "rsqrt": ("Rsqrt", torch.rsqrt),
    "reciprocal": ("Reciprocal", torch.reciprocal),
    "erf": ("Erf", torch.erf),
    "trunc": ("Trunc", torch.trunc),
    "gelu": ("Gelu", lambda x, approximate: functional.gelu(x, approximate=approximate)),
    "silu": ("Silu", functional.silu),
    "mish": ("Mish", functional.mish),
    "elu": ("Elu", torch.ops.aten.elu.default),
    "selu": ("Selu", functional.selu),
    "celu": ("Celu", functional.celu),
    "softplus": ("Softplus", functional.softplus),
    "softshrink": ("Softshrink", functional.softshrink),
    "hardshrink": ("Hardshrink", functional.hardshrink),
    "threshold": ("Threshold", functional.threshold),
    "hardswish": ("HardSwish", functional.hardswish),
    "log_sigmoid": ("LogSigmoid", functional.logsigmoid),
}

ACTIVATION: dict[str, Lowering] = {
    "relu.default": plain(Relu),
    "abs.default": plain(Abs),
    "sign.default": plain(Sign),
    "floor.default": plain(Floor),
    "ceil.default": plain(Ceil),
    "round.default": plain(Round),
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
    **{f"{name}.default": pointwise(*spec) for name, spec in POINTWISE.items()},
}
