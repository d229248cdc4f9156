"""Sums, products, extremes and comparisons of tensors and numbers."""

import math
from typing import Any

import torch

from verifier.formats.torch.ops.shape import reshaped, transposed
from verifier.formats.torch.site import Blocked, Lowering, Ref, Site, real, rows
from verifier.graph.ops.activation import Clip, NonZero, Positive, Relu
from verifier.graph.ops.dense import Reduce, Scale, Shift, Sum
from verifier.graph.ops.opaque import Pointwise
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Concat, Expand, Stack
from verifier.graph.ops.smooth import Power


def scaled(site: Site, x: Ref, factor: Any) -> Ref:
    """`x * factor` for a constant factor."""
    weight = real(factor)
    return x if weight.dim() == 0 and weight == 1 else site.add(Scale(weight), x, part="scale")


def plus(site: Site, a: Any, b: Any, alpha: float = 1) -> Ref:
    """`a + alpha * b`, where at least one depends on the input."""
    if not isinstance(a, Ref):
        return plus(site, scaled(site, b, alpha), a)
    if not isinstance(b, Ref):
        return site.add(Shift(real(b) * alpha), a)
    if abs(alpha) == 1:
        return site.add(Sum((1, int(alpha))), a, b)
    return site.add(Sum((1, 1)), a, scaled(site, b, alpha))


def minus(site: Site, a: Any, b: Any, alpha: float = 1) -> Ref:
    return plus(site, a, b, -alpha)


def rsub(site: Site, a: Any, b: Any, alpha: float = 1) -> Ref:
    return plus(site, b, a, -alpha)


def times(site: Site, a: Any, b: Any) -> Ref:
    if isinstance(a, Ref) and isinstance(b, Ref):
        if a.node == b.node:
            return site.add(Power(2.0), a)
        return site.add(Product(), site.add(Stack(), a, b, part="pair"))
    x, weight = (a, b) if isinstance(a, Ref) else (b, a)
    return site.add(Scale(real(weight)), x)


def divide(site: Site, a: Any, b: Any, mode: Any = None) -> Ref:
    if mode is not None:
        site.refuse(f"division rounded with {mode!r}")
    if not isinstance(b, Ref):
        if bool((real(b) == 0).any()):
            site.refuse("division by zero")
        return site.add(Scale(1 / real(b)), a)
    return times(site, a, site.add(Power(-1.0), b, part="inverse"))


def negated(site: Site, x: Ref, part: str = "") -> Ref:
    return site.add(Scale(real(-1)), x, part=part)


def power(site: Site, x: Any, exponent: Any) -> Ref:
    if isinstance(x, Ref) and not isinstance(exponent, Ref) and real(exponent).numel() == 1:
        value = float(exponent)
        if value == 1:
            return x
        if value != 0:
            return site.add(Power(value), x)
    return site.add(Pointwise("Pow", torch.pow), site.ref(x), site.ref(exponent))


def square(site: Site, x: Ref) -> Ref:
    return times(site, x, x)


def addcmul(site: Site, start: Any, a: Any, b: Any, value: float) -> Ref:
    if not (isinstance(a, Ref) or isinstance(b, Ref)):
        return plus(site, start, real(a) * real(b) * value)
    return plus(site, start, times(site, a, b), value)


def clipped(site: Site, x: Ref, least: Any, greatest: Any) -> Ref:
    """`min(max(x, least), greatest)` for constants; None is no limit."""
    low = real(-math.inf if least is None else least)
    high = real(math.inf if greatest is None else greatest)
    shape = tuple(torch.broadcast_shapes(site.shape(x), low.shape, high.shape))
    wide = x if len(shape) == site.rank(x) else site.add(Expand(shape), x, part="expand")
    if greatest is None and low.numel() == 1 and low.item() == 0:
        return site.add(Relu(), wide)
    return site.add(Clip(low, high), wide)


def maximum(site: Site, a: Any, b: Any) -> Ref:
    if not (isinstance(a, Ref) and isinstance(b, Ref)):
        x, limit = (a, b) if isinstance(a, Ref) else (b, a)
        return clipped(site, x, limit, None)
    shape = tuple(torch.broadcast_shapes(site.shape(a), site.shape(b)))
    wide = [t if site.shape(t) == shape else site.add(Expand(shape), t, part="expand") for t in (a, b)]
    pair = [reshaped(site, t, (*shape, 1)) for t in wide]
    return site.add(Max(), site.add(Concat(len(shape)), *pair, part="pair"))


def minimum(site: Site, a: Any, b: Any) -> Ref:
    if not (isinstance(a, Ref) and isinstance(b, Ref)):
        x, limit = (a, b) if isinstance(a, Ref) else (b, a)
        return clipped(site, x, None, limit)
    return negated(site, maximum(site, negated(site, a, "left"), negated(site, b, "right")))


def axes(site: Site, x: Ref, dims: Any) -> tuple[int, ...]:
    """Sorted axes to reduce over; none given means all."""
    rank = site.rank(x)
    dims = [dims] if isinstance(dims, int) else dims
    return tuple(sorted(site.axis(x, d) for d in dims)) if dims and rank else tuple(range(rank))


def total(site: Site, x: Ref, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Ref:
    return site.add(Reduce(axes(site, x, dims), keepdim), x)


def mean(site: Site, x: Ref, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Ref:
    over = axes(site, x, dims)
    count = math.prod(site.shape(x)[a] for a in over)
    return site.add(Scale(real(1 / count)), site.add(Reduce(over, keepdim), x, part="sum"))


def amax(site: Site, x: Ref, dims: Any = None, keepdim: bool = False) -> Ref:
    over, shape = axes(site, x, dims), site.shape(x)
    kept = tuple(a for a in range(len(shape)) if a not in over)
    last = transposed(site, x, kept + over)
    flat = reshaped(site, last, (*(shape[a] for a in kept), math.prod(shape[a] for a in over)))
    out = site.add(Max(), flat)
    return reshaped(site, out, tuple(1 if a in over else n for a, n in enumerate(shape))) if keepdim else out


def amin(site: Site, x: Ref, dims: Any = None, keepdim: bool = False) -> Ref:
    return negated(site, amax(site, negated(site, x, "negative"), dims, keepdim))


def greatest(site: Site, x: Ref, dim: int, keepdim: bool) -> list[Any]:
    return [amax(site, x, dim, keepdim), Blocked("the place of a maximum")]


def least(site: Site, x: Ref, dim: int, keepdim: bool) -> list[Any]:
    return [amin(site, x, dim, keepdim), Blocked("the place of a maximum")]


def exceeds(site: Site, a: Any, b: Any) -> Ref:
    """`a > b`."""
    return Ref(site.add(Positive(), minus(site, a, b)).node, truth=True)


def differs(site: Site, a: Any, b: Any) -> Ref:
    return Ref(site.add(NonZero(), minus(site, a, b)).node, truth=True)


def comparison(name: str, function: Any, lower: Lowering) -> Lowering:
    """By a difference to zero; infinite constants have none, so comparing with them is only evaluated."""

    def compare(site: Site, a: Any, b: Any) -> Ref:
        if all(isinstance(t, Ref) or bool(real(t).isfinite().all()) for t in (a, b)):
            return lower(site, a, b)
        op = Pointwise(name, lambda x, y: function(x, y).to(x.dtype))
        return Ref(site.add(op, site.ref(a), site.ref(b)).node, truth=True)

    return compare


def negation(site: Site, x: Ref) -> Ref:
    if not x.truth:
        site.refuse("`not` of numbers")
    return Ref(site.add(Shift(real(1)), negated(site, x, "negative")).node, truth=True)


def conjunction(site: Site, a: Any, b: Any) -> Ref:
    if not all(t.truth if isinstance(t, Ref) else t.dtype == torch.bool for t in (a, b)):
        site.refuse("`and` of numbers")
    return Ref(times(site, a, b).node, truth=True)


def some(site: Site, x: Ref, dims: Any = None, keepdim: bool = False) -> Ref:
    """Whether any entry is true."""
    if not x.truth:
        site.refuse("truth of numbers")
    return Ref(amax(site, x, dims, keepdim).node, truth=True)


def where(site: Site, condition: Any, a: Any, b: Any) -> Ref:
    """A constant condition only masks, which is affine; `inf` as in attention masks is left to `torch.where`."""
    finite = all(isinstance(t, Ref) or bool(real(t).isfinite().all()) for t in (a, b))
    if not isinstance(condition, Ref) and finite:
        keep = real(condition)
        left = times(site, a, keep) if isinstance(a, Ref) else real(a) * keep
        right = times(site, b, 1 - keep) if isinstance(b, Ref) else real(b) * (1 - keep)
        return plus(site, left, right)
    if finite:
        return plus(site, times(site, condition, a), times(site, negation(site, condition), b))
    op = Pointwise("Where", lambda c, x, y: torch.where(c != 0, x, y))
    return site.add(op, site.ref(condition), site.ref(a), site.ref(b))


def masked_fill(site: Site, x: Any, mask: Any, value: Any) -> Ref:
    return where(site, mask, value if isinstance(value, Ref) else real(value), x)


def masked(keep: Any) -> Lowering:
    def triangle(site: Site, x: Ref, diagonal: int = 0) -> Ref:
        return site.add(Scale(keep(torch.ones(site.shape(x)[-2:], dtype=torch.float64), diagonal)), x)

    return triangle


COMPARISONS: dict[str, tuple[str, Any, Lowering]] = {
    "gt": ("Greater", torch.gt, exceeds),
    "ge": ("GreaterOrEqual", torch.ge, lambda site, a, b: negation(site, exceeds(site, b, a))),
    "lt": ("Less", torch.lt, lambda site, a, b: exceeds(site, b, a)),
    "le": ("LessOrEqual", torch.le, lambda site, a, b: negation(site, exceeds(site, a, b))),
    "eq": ("Equal", torch.eq, lambda site, a, b: negation(site, differs(site, a, b))),
    "ne": ("NotEqual", torch.ne, differs),
}

ARITHMETIC: dict[str, Lowering] = {
    **rows("add.Tensor add.Scalar", plus),
    **rows("sub.Tensor sub.Scalar subtract.Tensor", minus),
    **rows("rsub.Scalar rsub.Tensor", rsub),
    **rows("mul.Tensor mul.Scalar multiply.Tensor", times),
    **rows("div.Tensor div.Scalar div.Tensor_mode true_divide.Tensor", divide),
    **rows("neg.default negative.default", negated),
    **rows("pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar", power),
    "square.default": square,
    "addcmul.default": addcmul,
    **rows("maximum.default max.other", maximum),
    **rows("minimum.default min.other", minimum),
    "sum.default": lambda site, x, dtype: total(site, x, dtype=dtype),
    "sum.dim_IntList": total,
    "mean.default": lambda site, x, dtype: mean(site, x, dtype=dtype),
    "mean.dim": mean,
    **rows("amax.default max.default", amax),
    **rows("amin.default min.default", amin),
    "max.dim": greatest,
    "min.dim": least,
    **{f"{name}.{kind}": comparison(*spec) for name, spec in COMPARISONS.items() for kind in ("Scalar", "Tensor")},
    **rows("logical_not.default bitwise_not.default", negation),
    **rows("logical_and.default bitwise_and.Tensor", conjunction),
    **rows("any.default any.dim any.dims", some),
    **rows("where.self where.ScalarOther where.ScalarSelf where.Scalar", where),
    **rows("masked_fill.Scalar masked_fill.Tensor", masked_fill),
    "tril.default": masked(torch.tril),
    "triu.default": masked(torch.triu),
}
