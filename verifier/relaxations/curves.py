"""Facts about smooth functions that the general relaxation of `curved.py` trusts: derivatives, and where they bend.

An inflection point that is off by e makes a piece less convex than said by about e^3, so 16 digits are plenty.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops import smooth as ops
from verifier.interval import Interval

INFINITE = math.inf
LARGEST_PHASE = 1e6  # waves of larger arguments are bounded by 1 and -1


Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Piece:
    """From `lower` to `upper` the function is convex (`sign` 1) or concave (-1), and has this derivative.

    `stationary` guesses where the derivative is a given slope: at the end it would lie beyond, where no point has it.
    """

    lower: Tensor | float
    upper: Tensor | float
    sign: Tensor | float
    derivative: Map
    stationary: Map | None = None
    linear: bool = False


def split(
    derivative: Map, bends: tuple[float, ...], signs: tuple[int, ...], points: tuple[Map, ...] = ()
) -> list[Piece]:
    """A function with one derivative, and inflection points between pieces of these signs."""
    ends, guesses = (-INFINITE, *bends, INFINITE), points or (None,) * len(signs)
    return [Piece(a, b, s, derivative, p) for a, b, s, p in zip(ends[:-1], ends[1:], signs, guesses, strict=True)]


def mirrored(derivative: Map, signs: tuple[int, int], point: Map) -> list[Piece]:
    """An even derivative, which is a given slope at `point(slope) >= 0` and at its negative."""
    return split(derivative, (0.0,), signs, (lambda s: -point(s), point))


def pieces(op: Op, x: Interval) -> list[Piece]:
    """Pieces that cover the interval wherever `covered` says so."""
    match op:
        case ops.Power(p):
            return _powers(p)
        case ops.Exp():
            return split(torch.exp, (), (1,), (lambda s: positive(s).log(),))
        case ops.Exponential(base):
            rate = math.log(base)
            return split(lambda y: rate * op.forward(y), (), (1,), (lambda s: positive(s / rate).log() / rate,))
        case ops.Log():
            return split(torch.reciprocal, (), (-1,), (lambda s: 1 / positive(s),))
        case ops.Sin():
            return _wave(torch.cos, x, 0.0)
        case ops.Cos():
            return _wave(lambda y: -y.sin(), x, 0.5)
        case ops.Asin():
            return mirrored(_arc, (-1, 1), _arc_point)
        case ops.Acos():
            return mirrored(lambda y: -_arc(y), (1, -1), lambda s: _arc_point(-s))
        case ops.Atan():
            return mirrored(lambda y: 1 / (1 + y * y), (1, -1), lambda s: root(1 / positive(s) - 1))
        case ops.Sinh():
            return mirrored(torch.cosh, (-1, 1), lambda s: s.clamp(min=1).acosh())
        case ops.Cosh():
            return split(torch.sinh, (), (1,), (torch.asinh,))
        case ops.Asinh():
            return mirrored(
                lambda y: 1 / torch.hypot(y, torch.ones_like(y)), (1, -1), lambda s: root(positive(s).pow(-2) - 1)
            )
        case ops.Erf():
            peak = 2 / math.sqrt(math.pi)
            return mirrored(lambda y: peak * (-y * y).exp(), (1, -1), lambda s: root(-(positive(s) / peak).log()))
        case ops.Softplus():
            return split(torch.sigmoid, (), (1,), (lambda s: s.logit(torch.finfo(s.dtype).eps),))
        case ops.Softsign():
            return mirrored(lambda y: 1 / (1 + y.abs()) ** 2, (1, -1), lambda s: (positive(s).rsqrt() - 1).clamp(min=0))
        case ops.Silu():
            return split(_silu, (-2.3993572805154677, 2.3993572805154677), (-1, 1, -1))
        case ops.Gelu():
            return split(_gelu, (-math.sqrt(2), math.sqrt(2)), (-1, 1, -1))
        case ops.GeluTanh():
            return split(_gelu_tanh, (-1.4185040087908284, 1.4185040087908284), (-1, 1, -1))
        case ops.Mish():
            return split(_mish, (-2.2563763963607931, 1.4905711794854285), (-1, 1, -1))
        case ops.Elu():
            below = 1 if op.scale * op.alpha >= 0 else -1
            return [
                Piece(-INFINITE, 0.0, below, partial(_elu, op), partial(_elu_point, op)),
                _line(0.0, INFINITE, op.scale),
            ]
        case ops.HardSwish():
            return [
                _line(-INFINITE, -3.0, 0.0),
                Piece(-3.0, 3.0, 1, lambda y: y / 3 + 0.5, lambda s: 3 * s - 1.5),
                _line(3.0, INFINITE, 1.0),
            ]
    raise TypeError(f"{op.label} is not known to be smooth")


def covered(op: Op, x: Interval) -> Tensor:
    """Where the function is defined on the whole interval, and its pieces cover it."""
    match op:
        case ops.Power(p) if p < 0:
            return (x.lower > 0) | ((x.upper < 0) & (p == round(p)))
        case ops.Power(p) if p != round(p):
            return x.lower >= 0
        case ops.Log():
            return x.lower >= 0
        case ops.Asin() | ops.Acos():
            return (x.lower >= -1) & (x.upper <= 1)
        case ops.Sin() | ops.Cos():
            return (x.magnitude < LARGEST_PHASE) & (x.upper - x.lower < 2.5 * math.pi)
    return torch.ones_like(x.lower, dtype=torch.bool)


def codomain(op: Op) -> tuple[float, float]:
    """Values that the function can't leave, on the whole line."""
    match op:
        case ops.Power(p) if p > 0 and p % 2 == 0:
            return 0.0, INFINITE
        case ops.Exp() | ops.Exponential() | ops.Softplus():
            return 0.0, INFINITE
        case ops.Cosh():
            return 1.0, INFINITE
        case ops.Sin() | ops.Cos() | ops.Erf() | ops.Softsign():
            return -1.0, 1.0
    return -INFINITE, INFINITE


def steepness(op: Op) -> float:
    """See `Relaxation.steepness`; zero where functions and derivatives are computed with small relative errors."""
    match op:
        case ops.Elu():
            return abs(op.scale) * max(1.0, abs(op.alpha / op.width))
        case ops.HardSwish():
            return 1.5
        case ops.Silu() | ops.Gelu() | ops.GeluTanh() | ops.Mish() | ops.Erf() | ops.Sin() | ops.Cos():
            return 1.2
    return 0.0


def positive(s: Tensor) -> Tensor:
    return s.clamp(min=torch.finfo(s.dtype).tiny)


def root(y: Tensor) -> Tensor:
    return y.clamp(min=0).sqrt()


def _line(lower: float, upper: float, slope: float) -> Piece:
    return Piece(lower, upper, 1, lambda y: torch.full_like(y, slope), linear=True)


def _powers(p: float) -> list[Piece]:
    """Powers bend at zero, if at all."""
    derivative, right = partial(_power, p), partial(_power_point, p, 1)
    if p != round(p):
        return split(derivative, (), (1 if p < 0 or p > 1 else -1,), (right,))
    if p == 2:
        return split(derivative, (), (1,), (lambda s: s / 2,))
    return split(derivative, (0.0,), (1 if p % 2 == 0 else -1, 1), (partial(_power_point, p, -1), right))


def _power(p: float, x: Tensor) -> Tensor:
    return p * x if p == 2 else p * (x + 0.0).pow(p - 1)  # at minus zero the root would fall


def _power_point(p: float, side: int, slope: Tensor) -> Tensor:
    """Where the derivative `p * x ** (p - 1)` is a slope, right of zero (`side` 1) or left of it (-1)."""
    turned = slope if side > 0 or p % 2 else -slope
    if p == 1:
        return torch.zeros_like(slope)
    return side * ((turned / p).clamp(min=0) + 0.0).pow(1 / (p - 1))  # of minus zero a root's inverse is minus infinity


def _wave(derivative: Map, x: Interval, shift: float) -> list[Piece]:
    """Four half waves from the one that holds the lower end, concave where `sin(y + shift * pi) > 0`.

    The first one starts at the lower end itself, wherever rounding puts its own beginning.
    """
    first = (x.lower / math.pi + shift).floor()
    starts = [(first + (k - shift)) * math.pi for k in range(5)]
    ends = [torch.full_like(x.lower, -INFINITE), *starts[1:]]
    signs = [torch.where((first + k).remainder(2) == 0, -1.0, 1.0).to(first) for k in range(4)]
    points = [partial(_wave_point, start, sign) for start, sign in zip(starts, signs, strict=False)]
    return [Piece(a, b, s, derivative, p) for a, b, s, p in zip(ends[:-1], ends[1:], signs, points, strict=True)]


def _wave_point(start: Tensor, sign: Tensor, slope: Tensor) -> Tensor:
    return start + (-sign * slope).clamp(-1, 1).acos()


def _arc(x: Tensor) -> Tensor:
    return ((1 - x) * (1 + x)).rsqrt()


def _arc_point(slope: Tensor) -> Tensor:
    return root(1 - slope.clamp(min=1).pow(-2))


def _silu(x: Tensor) -> Tensor:
    return x.sigmoid() * (1 + x * (-x).sigmoid())


def _gelu(x: Tensor) -> Tensor:
    return torch.special.ndtr(x) + x * (-x * x / 2).exp() / math.sqrt(2 * math.pi)


def _gelu_tanh(x: Tensor) -> Tensor:
    root = math.sqrt(2 / math.pi)
    y = (root * (x + 0.044715 * x**3)).tanh()
    return (1 + y) / 2 + x / 2 * (1 - y * y) * root * (1 + 3 * 0.044715 * x * x)


def _mish(x: Tensor) -> Tensor:
    y = torch.logaddexp(x, torch.zeros_like(x)).tanh()
    return y + x * (1 - y * y) * x.sigmoid()


def _elu(op: ops.Elu, x: Tensor) -> Tensor:
    return op.scale * op.alpha / op.width * (x.clamp(max=0) / op.width).exp()


def _elu_point(op: ops.Elu, slope: Tensor) -> Tensor:
    return (
        op.width * positive(slope * (op.width / (op.scale * op.alpha))).log() if op.alpha else torch.zeros_like(slope)
    )
