"""Normalisations, softmax and attention."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from verifier.formats.torch.ops.arithmetic import clipped, mean, minus, plus, scaled, square, times
from verifier.formats.torch.ops.dense import product
from verifier.formats.torch.ops.shape import reshaped, transposed
from verifier.formats.torch.site import Blocked, Lowering, Ref, Site, rows
from verifier.graph.lower import largest_entry
from verifier.graph.ops.dense import Scale, Shift
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.smooth import Power
from verifier.graph.ops.softmax import MAX_ROLLED, Differences, Softmax


def batch_norm(site: Site, x: Ref, weight: Any, bias: Any, mean: Any, variance: Any, epsilon: float) -> Ref:
    """Three affine steps with the stored statistics."""
    if mean is None or variance is None:
        site.refuse("batch statistics: it keeps no running mean and variance")
    shape = (-1, *(1,) * (site.rank(x) - 2))
    centred = site.add(Shift(-site.known(mean, "mean").reshape(shape)), x, part="centre")
    factor = 1 / (site.known(variance, "variance") + epsilon).sqrt()
    factor = factor if weight is None else factor * site.known(weight, "weight")
    out = site.add(Scale(factor.reshape(shape)), centred, part="scale" if bias is not None else "")
    return out if bias is None else site.add(Shift(site.known(bias, "bias").reshape(shape)), out)


def batch_norm_flags(
    site: Site,
    x: Ref,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    epsilon: float,
    cudnn: bool,
) -> Ref:
    if training:
        site.refuse("batch statistics: the module is in training mode")
    return batch_norm(site, x, weight, bias, mean, variance, epsilon)


def instance_norm(
    site: Site,
    x: Ref,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    own: bool,
    momentum: float,
    epsilon: float,
    cudnn: bool,
) -> Ref:
    if own and mean is not None:
        site.refuse("it updates its running statistics: the module is in training mode")
    if not own:
        return batch_norm(site, x, weight, bias, mean, variance, epsilon)
    return group_norm(site, x, site.shape(x)[1], weight, bias, epsilon)


def standardised(site: Site, x: Ref, axes: int, epsilon: float) -> Ref:
    """Mean zero and variance one over the last `axes` axes; so no entry exceeds the root of their number."""
    dims = list(range(-axes, 0))
    centred = minus(site, x, mean(site, x, dims, keepdim=True))
    variance = mean(site, square(site, centred), dims, keepdim=True)
    inverse = site.add(Power(-0.5), plus(site, variance, epsilon), part="inverse")
    most = largest_entry(math.prod(site.shape(x)[-axes:]))
    return clipped(site, times(site, centred, inverse), -most, most)


def layer_norm(
    site: Site, x: Ref, shape: list[int], weight: Any, bias: Any, epsilon: float, cudnn: bool = False
) -> Ref:
    out = standardised(site, x, len(shape), epsilon)
    out = out if weight is None else times(site, out, weight)
    return out if bias is None else plus(site, out, bias)


def group_norm(site: Site, x: Ref, groups: int, weight: Any, bias: Any, epsilon: float, cudnn: bool = False) -> Ref:
    shape = site.shape(x)
    flat = reshaped(site, x, (shape[0], groups, math.prod(shape[1:]) // groups))
    out = reshaped(site, standardised(site, flat, 1, epsilon), shape)
    spread = (-1, *(1,) * (len(shape) - 2))
    out = out if weight is None else times(site, out, site.known(weight, "weight").reshape(spread))
    return out if bias is None else plus(site, out, site.known(bias, "bias").reshape(spread))


def softmax(site: Site, x: Ref, dim: int, precision: Any = None) -> Ref:
    """Entry by entry along the last axis; a large one as it is."""
    axis, shape = site.axis(x, dim), site.shape(x)
    rank, size = len(shape), math.prod(shape)
    if rank == 0 or not 0 < size * shape[axis] <= MAX_ROLLED:
        return site.add(Batchwise("Softmax", partial(torch.softmax, dim=axis - rank)), x)
    if axis < rank - 1 and size == shape[axis]:
        return reshaped(site, shares(site, reshaped(site, x, (size,))), shape)
    order = (*(a for a in range(rank) if a != axis), axis)
    back = sorted(range(rank), key=lambda a: order[a])
    return transposed(site, shares(site, transposed(site, x, order)), tuple(back))


def shares(site: Site, x: Ref) -> Ref:
    return site.add(Softmax(whole=True), site.add(Differences(), x, part="differences"))


def over_axis(name: str, function: Any) -> Lowering:
    """A function over one axis; its last argument, a dtype or a flag for half precision, changes no real number."""

    def lower(site: Site, x: Ref, dim: int, precision: Any = None) -> Ref:
        axis = site.axis(x, dim) - site.rank(x)
        return site.add(Batchwise(name, partial(function, dim=axis)), x)

    return lower


def attention(
    site: Site,
    query: Any,
    key: Any,
    value: Any,
    mask: Any,
    dropout: float,
    causal: bool,
    scale: Any = None,
    grouped: bool = False,
) -> Ref:
    """Products, softmax and a mask as in its definition."""
    if dropout or grouped:
        site.refuse("dropout" if dropout else "grouped queries")
    query, key, value = (site.ref(t) for t in (query, key, value))
    factor = 1 / math.sqrt(site.shape(query)[-1]) if scale is None else scale
    rank = site.rank(key)
    turned = transposed(site, key, (*range(rank - 2), rank - 1, rank - 2))
    scores = scaled(site, product(site, query, turned), factor)
    if causal:
        mask = torch.ones(site.shape(scores)[-2:], dtype=torch.bool).tril()
    if isinstance(mask, Tensor) and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -math.inf)
    if isinstance(mask, Ref) and mask.truth:
        site.refuse("a mask that depends on the input")
    scores = scores if mask is None else plus(site, scores, mask)
    return product(site, softmax(site, scores, -1), value)


def first(lower: Lowering, others: int, count: int) -> Lowering:
    """Operators that return by-products: `count` arguments count, the `others` results are never used."""
    return lambda site, *a: [lower(site, *a[:count]), *[Blocked("statistics of a normalisation")] * others]


NORMAL: dict[str, Lowering] = {
    "batch_norm.default": batch_norm_flags,
    "_native_batch_norm_legit_no_training.default": lambda site, x, weight, bias, mean, variance, momentum, epsilon: [
        batch_norm(site, x, weight, bias, mean, variance, epsilon),
        *[Blocked("statistics of a normalisation")] * 2,
    ],
    "instance_norm.default": instance_norm,
    "layer_norm.default": layer_norm,
    "native_layer_norm.default": first(layer_norm, 2, 5),
    "group_norm.default": group_norm,
    **rows("softmax.int _softmax.default", softmax),
    **rows("log_softmax.int _log_softmax.default", over_axis("LogSoftmax", torch.log_softmax)),
    "scaled_dot_product_attention.default": attention,
}
