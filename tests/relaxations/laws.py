"""What every relaxation must obey, as functions that the tests and the mutants share."""

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import (
    Abs,
    Ceil,
    Clip,
    Floor,
    LeakyRelu,
    NonZero,
    Positive,
    Relu,
    Round,
    Sigmoid,
    Sign,
    Tanh,
    Trunc,
)
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
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
from verifier.graph.ops.softmax import Softmax
from verifier.interval import Interval
from verifier.numerics import down, gamma, up
from verifier.relaxations.relaxation import Relaxation, Slopes
from verifier.relaxations.table import RELAXATIONS


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


OPS: dict[str, Op] = {
    "relu": Relu(),
    "leaky": LeakyRelu(number(0.1)),
    "leaky steep": LeakyRelu(number(3.0)),
    "leaky falling": LeakyRelu(number(-0.5)),
    "clip": Clip(number(-1.0), number(2.0)),
    "clip below": Clip(number(0.0), number(torch.inf)),
    "abs": Abs(),
    "sign": Sign(),
    "floor": Floor(),
    "ceil": Ceil(),
    "round": Round(),
    "trunc": Trunc(),
    "positive": Positive(),
    "nonzero": NonZero(),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
}
CURVES: dict[str, Op] = {
    **{f"power {p:g}": Power(p) for p in (2.0, 3.0, 4.0, 0.5, 1.5, -1.0, -2.0, -0.5, 2.7)},
    "exp": Exp(),
    "exponential": Exponential(2.0),
    "exponential falling": Exponential(0.3),
    "log": Log(),
    "sin": Sin(),
    "cos": Cos(),
    "asin": Asin(),
    "acos": Acos(),
    "atan": Atan(),
    "sinh": Sinh(),
    "cosh": Cosh(),
    "asinh": Asinh(),
    "erf": Erf(),
    "softplus": Softplus(),
    "softsign": Softsign(),
    "elu": Elu(1.0),
    "selu": Elu(1.6732632, 1.0507010),
    "celu": Elu(2.0, 1.0, 2.0),
    "elu falling": Elu(-0.5),
    "silu": Silu(),
    "gelu": Gelu(),
    "gelu tanh": GeluTanh(),
    "mish": Mish(),
    "hard swish": HardSwish(),
}
GROUPS: dict[str, Op] = {"max": Max(), "product": Product(), "softmax": Softmax()}
ENTRIES = 4  # of the groups that a maximum is tested on
SPECIAL = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    20.0,
    -20.0,
    800.0,
    1e-310,
    -1e-310,
    1e-40,
    3e38,
    -3e38,
)


def relaxation_of(op: Op) -> Relaxation:
    return RELAXATIONS[type(op)]


def shape_of(op: Op, *shape: int) -> tuple[int, ...]:
    """The shape of an argument that gives `shape`."""
    match op:
        case Max() | Softmax():
            return (*shape, ENTRIES)
        case Product():
            return (*shape, 2)
    return shape


def fused(op: Op) -> bool:
    """Does the op join the entries of its argument's last axis?"""
    return isinstance(op, Max | Product | Softmax)


def intervals(generator: torch.Generator, dtype: torch.dtype, shape: tuple[int, ...]) -> Interval:
    """Of every size and place: special ends, zero widths, neighbours of breakpoints, huge and denormal ones."""

    def ends() -> Tensor:
        size = 10.0 ** (torch.rand(shape, generator=generator, dtype=torch.float64) * 8 - 6)
        x = torch.randn(shape, generator=generator, dtype=torch.float64) * size
        special = torch.tensor(SPECIAL, dtype=torch.float64)
        pick = special[torch.randint(len(special), shape, generator=generator)]
        x = torch.where(torch.rand(shape, generator=generator) < 0.3, pick, x).to(dtype)
        beside = torch.rand(shape, generator=generator)
        return torch.where(beside < 0.1, up(x), torch.where(beside > 0.9, down(x), x))

    a, b = ends(), ends()
    b = torch.where(torch.rand(shape, generator=generator) < 0.15, a, b)
    return Interval(a, b)


def slopes(generator: torch.Generator, like: Tensor) -> Tensor:
    """Good ones, bad ones, and the corners of all ranges."""
    wild = torch.randn(like.shape, generator=generator, dtype=like.dtype) * 3
    corner = torch.tensor([0.0, 1.0, -1.0, 0.25, 0.5, 1e-30, 1e3], dtype=like.dtype)
    corner = corner[torch.randint(len(corner), like.shape, generator=generator)]
    return torch.where(torch.rand(like.shape, generator=generator) < 0.4, corner, wild)


def points(x: Interval, generator: torch.Generator, count: int = 40) -> Tensor:
    """`(P, *)` float64 in the interval: its ends, anywhere, and both sides of every place where an op can bend."""
    lower, upper = x.lower.double(), x.upper.double()
    low, high = lower.clamp(min=-1e300), upper.clamp(max=1e300)
    share = torch.rand((count, *low.shape), generator=generator, dtype=torch.float64)
    inside = low * (1 - share) + high * share
    places = [number(k / 2) for k in range(-5, 6)] + [
        low.floor() + 1,
        high.ceil() - 1,
        low.round() + 0.5,
        high.round() - 0.5,
    ]
    bends = [v.expand_as(low) for k in places for v in (k, up(k), down(k))]
    return torch.minimum(torch.maximum(torch.cat([inside, torch.stack([low, high, *bends])]), lower), upper)


def slack(relaxation: Relaxation, op: Op, x: Interval, slope: Tensor, value: Tensor) -> Tensor:
    """What a proof allows for rounding at a nonlinear node: see `State.loss`; infinite where numbers overflow."""
    size = (slope.abs() + relaxation.steepness(op)) * x.magnitude
    size = size.sum(-1) if fused(op) else size
    if not isinstance(op, tuple(type(o) for o in (*OPS.values(), Max()))):
        size = size + relaxation.image(op.to(x.lower.dtype, "cpu"), x).magnitude
    finfo = torch.finfo(x.lower.dtype)
    return (gamma(1, x.lower.dtype) * (size + value.abs())).double() + 64 * finfo.smallest_normal * finfo.eps


def holds_below(low: Tensor, high: Tensor, slack: Tensor) -> None:
    """`low <= high`; a NaN or infinite bound says nothing and so breaks nothing."""
    wrong = low.double() > high + slack
    assert not wrong.any(), f"bound {low.expand_as(wrong)[wrong][0]} above the value {high.expand_as(wrong)[wrong][0]}"


def residual(op: Op, p: Tensor, slope: Tensor) -> Tensor:
    """`f(p) - slope * p` in float64 for `p (P, *)`."""
    op = op.to(torch.float64, "cpu")
    y = op.forward(p.flatten(0, 1)).unflatten(0, p.shape[:2])
    line = slope.double() * p
    return y - (line.sum(-1) if fused(op) else line)


def law_gap(relaxation: Relaxation, op: Op, x: Interval, slope: Tensor, generator: torch.Generator) -> None:
    """`f(p) - slope * p` lies within the gap at every point of the interval, for any slope."""
    least, greatest = relaxation.gap(op.to(x.lower.dtype, "cpu"), x, slope)
    value = residual(op, points(x, generator), slope)
    holds_below(least, value, slack(relaxation, op, x, slope, least.nan_to_num(0, 0, 0)))
    holds_below(value.amax(0), greatest.double(), slack(relaxation, op, x, slope, greatest.nan_to_num(0, 0, 0)))


def law_lines(relaxation: Relaxation, op: Op, x: Interval, chosen: Slopes | None, generator: torch.Generator) -> None:
    """The lines lie below and above, whatever slopes were chosen."""
    lines = relaxation.lines(op.to(x.lower.dtype, "cpu"), x, chosen)
    p = points(x, generator)
    for slope, intercept, sign in ((lines.slopes.lower, lines.least, 1), (lines.slopes.upper, lines.greatest, -1)):
        value = residual(op, p, slope.nan_to_num(0, 0, 0))
        intercept = torch.zeros_like(value[0]) if intercept is None else intercept.double()
        intercept = torch.where(bad(slope, op), -sign * torch.inf, intercept)
        allowed = slack(relaxation, op, x, slope.nan_to_num(0, 0, 0), intercept.nan_to_num(0, 0, 0))
        holds_below(sign * intercept, (sign * value).amin(0), allowed)


def bad(slope: Tensor, op: Op) -> Tensor:
    """A slope that isn't finite makes the whole bound NaN, which proves nothing."""
    return ~slope.isfinite().all(-1) if fused(op) else ~slope.isfinite()


def law_image(relaxation: Relaxation, op: Op, x: Interval, generator: torch.Generator) -> None:
    """Values lie in the image."""
    image = relaxation.image(op.to(x.lower.dtype, "cpu"), x)
    value = residual(op, points(x, generator), torch.zeros_like(x.lower))
    allowed = slack(relaxation, op, x, torch.zeros_like(x.lower), image.magnitude.nan_to_num(0, 0, 0))
    holds_below(image.lower, value.amin(0), allowed)
    holds_below(value.amax(0), image.upper.double(), allowed)


def law_linear(relaxation: Relaxation, op: Op, x: Interval, generator: torch.Generator) -> None:
    """Where a function counts as linear, both lines coincide with it, even if other slopes were chosen."""
    cast = op.to(x.lower.dtype, "cpu")
    wild = Slopes(slopes(generator, x.lower), slopes(generator, x.lower))
    linear = relaxation.linear(cast, x)
    linear = linear.all(-1) if fused(op) else linear
    lines = relaxation.lines(cast, x, wild)
    p = points(x, generator)
    for slope, intercept in ((lines.slopes.lower, lines.least), (lines.slopes.upper, lines.greatest)):
        intercept = torch.zeros_like(p[0]) if intercept is None else intercept.double()
        intercept = intercept.squeeze(-1) if intercept.shape != linear.shape else intercept
        off = (residual(op, p, slope) - intercept).abs()
        allowed = slack(relaxation, op, x, slope, intercept)
        assert not (off > allowed).any(0)[linear].any(), "a linear piece and its line differ"
