"""Normalisations. With constant statistics they are affine; the others are written in means, squares and roots."""

import math

import numpy as np
import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.activation import scalar
from verifier.formats.onnx.ops.arithmetic import minus, over, plus, times
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.ops.functions import SQUARE
from verifier.formats.onnx.ops.reduce import LENGTH, averaged, summed
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire
from verifier.graph.lower import largest_entry
from verifier.graph.ops.activation import Abs, Clip
from verifier.graph.ops.dense import Scale, Shift
from verifier.graph.ops.opaque import Pointwise
from verifier.graph.ops.smooth import Power


def batch_normalization(call: Call) -> Value:
    """Three ops, so that no bias is computed by a cancelling difference."""
    x = call.value(0)
    gamma, beta, mean, variance = (
        call.constant(i, what).array for i, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    epsilon = call.attr_float("epsilon", 1e-5)
    call.ignore("momentum", "consumed_inputs")
    if call.attr_int("training_mode", 0) or (call.opset < 7 and not call.attr_int("is_test", 0)):
        raise Obstacle("training mode: it would normalise by the statistics of the batch")
    if not call.attr_int("spatial", 1):
        raise Obstacle("spatial=0 is not supported")
    if (variance + epsilon <= 0).any():
        raise InvalidModel(f"node {call.name}: a variance that is not positive")
    call.rounds()
    out = call.add(Shift(channels(-mean, x.shape)), x)
    out = call.add(Scale(channels(gamma / np.sqrt(variance + epsilon), x.shape)), out)
    return call.add(Shift(channels(beta, x.shape)), out)


def channels(values: np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """One number per channel, ready to broadcast against `(N, C, *space)`."""
    return Const(values.reshape(-1, *(1,) * max(len(shape) - 2, 0)), 0).tensor()


def centred(call: Call, x: Wire, axes: tuple[int, ...]) -> Wire:
    return minus(call, x, averaged(call, x, axes, keep=True))


def divided(call: Call, x: Wire, axes: tuple[int, ...], epsilon: float) -> Wire:
    """`x` over the root of its mean square along `axes`; so no entry exceeds the root of their number."""
    square = averaged(call, call.add(SQUARE, x), axes, keep=True)
    inverse = call.add(Power(-0.5), call.add(Shift(scalar(epsilon)), square))
    most = scalar(largest_entry(math.prod(x.shape[a] for a in axes)))
    return call.add(Clip(-most, most), times(call, x, inverse))


def stretched(call: Call, x: Wire, scale: Tensorial | None, bias: Tensorial | None) -> Wire:
    x = x if scale is None else times(call, x, scale)
    return x if bias is None else plus(call, x, bias)


def layer_normalization(call: Call) -> Value:
    x, scale, bias = call.wire(0), call.value(1), call.optional(2)
    call.ignore("stash_type")
    axes = tuple(range(call.axis(call.attr_int("axis", -1), len(x.shape)), len(x.shape)))
    flat = divided(call, centred(call, x, axes), axes, call.attr_float("epsilon", 1e-5))
    return stretched(call, flat, scale, bias)


def rms_normalization(call: Call) -> Value:
    x, scale = call.wire(0), call.value(1)
    call.ignore("stash_type")
    axes = tuple(range(call.axis(call.attr_int("axis", -1), len(x.shape)), len(x.shape)))
    return stretched(call, divided(call, x, axes, call.attr_float("epsilon", 1e-5)), scale, None)


def instance_normalization(call: Call) -> Value:
    x = call.wire(0)
    call.ignore("consumed_inputs")
    scale, bias = (_channelwise(call.constant(i, what), x.shape) for i, what in ((1, "scale"), (2, "bias")))
    axes = tuple(range(2, len(x.shape)))
    flat = divided(call, centred(call, x, axes), axes, call.attr_float("epsilon", 1e-5))
    return stretched(call, flat, scale, bias)


def group_normalization(call: Call) -> Value:
    x, groups = call.wire(0), call.attr_int("num_groups")
    scale, bias = call.constant(1, "scale"), call.constant(2, "bias")
    call.ignore("stash_type")
    n, c = x.shape[:2]
    if c % groups:
        raise InvalidModel(f"node {call.name}: {c} channels in {groups} groups")
    parts = reshape(call, x, (n, groups, math.prod(x.shape[1:]) // groups))
    flat = divided(call, centred(call, parts, (2,)), (2,), call.attr_float("epsilon", 1e-5))
    if call.opset < 21:  # one number per group; since then one per channel
        scale, bias = (Const(v.array.repeat(c // groups), v.type) for v in (scale, bias))
    return stretched(call, reshape(call, flat, x.shape), _channelwise(scale, x.shape), _channelwise(bias, x.shape))


def mean_variance_normalization(call: Call) -> Value:
    x = call.wire(0)
    axes = tuple(call.axis(a, len(x.shape)) for a in call.attr_ints("axes", [0, 2, 3]))
    middle = centred(call, x, axes)
    root = averaged(call, call.add(SQUARE, middle), axes, keep=True)
    for op in LENGTH:
        root = call.add(op, root)
    return over(call, middle, call.add(Shift(scalar(1e-9)), root))


def lp_normalization(call: Call) -> Value:
    x, p = call.wire(0), call.attr_int("p", 2)
    axes = (call.axis(call.attr_int("axis", -1), len(x.shape)),)
    if p == 1:
        norm = summed(call, call.add(Abs(), x), axes, True)
    else:
        norm = summed(call, call.add(SQUARE, x), axes, True)
        for op in LENGTH:
            norm = call.add(op, norm)
    return call.add(Pointwise("DivOrZero", divided_or_zero), x, norm)


def divided_or_zero(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`a / b`, zero where `b` is: a vector without length stays one."""
    return torch.where(b == 0, torch.zeros_like(a), a / torch.where(b == 0, torch.ones_like(b), b))


def _channelwise(value: Const, shape: tuple[int, ...]) -> Const:
    return Const(value.array.reshape(-1, *(1,) * (len(shape) - 2)), value.type)


TABLE = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "InstanceNormalization": instance_normalization,
    "GroupNormalization": group_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
    "LpNormalization": lp_normalization,
}
