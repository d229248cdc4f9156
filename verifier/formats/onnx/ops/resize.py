"""Resizing, one axis after the other: nearest is a gather, linear and cubic are products with a small matrix."""

import math

import numpy as np
import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.interpolation import Axis, matrix, nearest
from verifier.formats.onnx.ops.moves import gathered
from verifier.formats.onnx.ops.shape import permuted
from verifier.formats.onnx.values import Tensorial, Value, rounded
from verifier.graph.ops.dense import Linear, Multiply


def along(call: Call, x: Tensorial, weight: np.ndarray, axis: int) -> Tensorial:
    """`weight (out, in)` applied to one axis."""
    rank, w = len(x.shape), torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float64))
    call.admit((*x.shape[:axis], len(weight), *x.shape[axis + 1 :]))
    if axis == rank - 1:
        return call.add(Linear(w), x)
    if axis == rank - 2:
        return call.add(Multiply(w, left=True), x)
    order = (*(a for a in range(rank) if a != axis), axis)
    back = tuple(int(i) for i in np.argsort(order))
    return permuted(call, call.add(Linear(w), permuted(call, x, order)), back)


def upsample(call: Call) -> Value:
    x, mode = call.value(0), call.attr_text("mode", "nearest")
    scales = call.attr_floats("scales") if call.opset < 9 else _scales(call, 1)
    axes = [Axis(n, _grown(n, s), s, "asymmetric") for n, s in zip(x.shape, scales, strict=True)]
    return resized(call, x, list(enumerate(axes)), "linear" if mode == "bilinear" else mode, "simple")


def resize(call: Call) -> Value:
    x, mode = call.value(0), call.attr_text("mode", "nearest")
    if call.opset < 11:
        axes = [Axis(n, _grown(n, s), s, "asymmetric") for n, s in zip(x.shape, _scales(call, 1), strict=True)]
        return resized(call, x, list(enumerate(axes)), mode, "simple")
    if call.attr_int("antialias", 0):
        raise Obstacle("antialias is not supported")
    numbers = [call.axis(a, len(x.shape)) for a in call.attr_ints("axes", list(range(len(x.shape))))]
    style = call.attr_text("coordinate_transformation_mode", "half_pixel")
    rounding = call.attr_text("nearest_mode", "round_prefer_floor")
    sizes, scales = _targets(call, [x.shape[a] for a in numbers])
    roi = _roi(call, style, len(numbers))
    axes = [
        Axis(x.shape[a], size, scale, style, span)
        for a, size, scale, span in zip(numbers, sizes, scales, roi, strict=True)
    ]
    coefficient, exclude = call.attr_float("cubic_coeff_a", -0.75), bool(call.attr_int("exclude_outside", 0))
    fill = call.attr_float("extrapolation_value", 0.0)
    if fill != 0 and any(axis.leaves() for axis in axes):
        raise Obstacle("an extrapolation value other than zero is not supported")
    return resized(call, x, list(zip(numbers, axes, strict=True)), mode, rounding, coefficient, exclude)


def resized(
    call: Call,
    x: Tensorial,
    axes: list[tuple[int, Axis]],
    mode: str,
    rounding: str,
    coefficient: float = -0.75,
    exclude: bool = False,
) -> Tensorial:
    for number, axis in axes:
        if axis.idle:
            continue
        call.admit((*x.shape[:number], axis.out, *x.shape[number + 1 :]))
        if mode == "nearest" and not axis.leaves():
            x = gathered(call, x, nearest(axis, rounding), number)
        else:
            call.admit((axis.out, axis.size))
            call.rounds()
            x = along(call, x, matrix(axis, mode, rounding, coefficient, exclude), number)
    return x


def _scales(call: Call, index: int) -> list[float]:
    return [float(s) for s in call.constant(index, "scales").array.reshape(-1)]


def _grown(size: int, scale: float) -> int:
    """The runtime computes this in float32."""
    if not 0 < scale < 2**31:
        raise InvalidModel(f"a resize by {scale}")
    return math.floor(np.float32(size) * np.float32(scale))


def _targets(call: Call, old: list[int]) -> tuple[list[int], list[float]]:
    """Sizes and scales of the axes, whichever the file states."""
    scales = call.optional_constant(2, "scales")
    sizes = call.optional_constant(3, "sizes")
    if scales is not None and scales.array.size:
        factors = [float(s) for s in rounded(scales).reshape(-1)]
        return [_grown(n, s) for n, s in zip(old, factors, strict=True)], factors
    if sizes is None or sizes.array.size != len(old):
        raise InvalidModel(f"node {call.name}: neither scales nor sizes fit {len(old)} axes")
    new = [int(n) for n in sizes.array.reshape(-1)]
    policy = call.attr_text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return new, [n / o for n, o in zip(new, old, strict=True)]
    ratios = [n / o for n, o in zip(new, old, strict=True)]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return [int(np.floor(n * ratio + 0.5)) for n in old], [ratio] * len(old)


def _roi(call: Call, style: str, count: int) -> list[tuple[float, float]]:
    if style != "tf_crop_and_resize":
        call.ignore_input(1)
        return [(0.0, 1.0)] * count
    flat = call.constant(1, "region of interest").array.reshape(-1)
    if flat.size != 2 * count:
        raise InvalidModel(f"node {call.name}: a region of interest of {flat.size} numbers for {count} axes")
    return [(float(flat[i]), float(flat[i + count])) for i in range(count)]


TABLE = {"Upsample": upsample, "Resize": resize}
