"""Facts about smooth functions that the checker trusts: values, derivatives, and where they bend.

numpy's functions, and the few lines here, are taken to be right to `Curve.roundings` roundings (half units in the last
place) of the result plus as many of `steep * |x|`, and of `steep` for derivatives; numpy claims 4 units, the C library
of usual machines 1. An inflection point that is off by e makes a piece less convex than it is said to be by about e^3,
so 16 digits are plenty.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from verifier.certificates.numbers import Array
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops import smooth as ops
from verifier.graph.ops.activation import Sigmoid, Tanh

INFINITE = math.inf
LARGEST_PHASE = 1e6  # waves of larger arguments are only known to lie between -1 and 1
Map = Callable[[Array], Array]
End = Array | float

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


@dataclass(frozen=True, eq=False)
class Piece:
    """Between `lower` and `upper` the function is convex (`sign` 1), concave (-1) or linear (0). `point` guesses where
    the derivative is a given slope; wherever that is, it only loosens a bound."""

    lower: End
    upper: End
    sign: Array | int
    derivative: Map
    point: Map | None = None


@dataclass(frozen=True, eq=False)
class Curve:
    """A function on `defined`, an interval, with values in `image`. `pieces(lower)` cover whatever begins there."""

    value: Map
    pieces: Callable[[Array], Sequence[Piece]]
    steep: float = 0.0
    image: tuple[float, float] = (-INFINITE, INFINITE)
    defined: Callable[[Array, Array], Array] = lambda lower, upper: lower <= upper
    roundings: int = 64


def curve(op: Op) -> Curve:
    """The facts about one op.

    Raises:
        UnsupportedModel: none are known.
    """
    match op:
        case Sigmoid():
            return Curve(sigmoid, _mirrored(_bell, (1, -1), _logit), image=(0.0, 1.0))
        case Tanh():
            return Curve(np.tanh, _mirrored(lambda x: 4 * _bell(2 * x), (1, -1), _artanh), image=(-1.0, 1.0))
        case ops.Power():
            return _power(op.exponent)
        case ops.Exp():
            return Curve(np.exp, _fixed(Piece(-INFINITE, INFINITE, 1, np.exp, np.log)), image=(0.0, INFINITE))
        case ops.Exponential():
            rate, value = math.log(op.base), partial(np.power, op.base)
            return Curve(value, _split(lambda x: rate * value(x), (), (1,)), image=(0.0, INFINITE))
        case ops.Log():
            whole = Piece(0.0, INFINITE, -1, np.reciprocal, np.reciprocal)
            return Curve(np.log, _fixed(whole), defined=lambda lower, upper: lower >= 0)
        case ops.Sin():
            return Curve(np.sin, partial(_wave, np.cos, 0.0), 1.0, (-1.0, 1.0), _near)
        case ops.Cos():
            return Curve(np.cos, partial(_wave, lambda x: -np.sin(x), 0.5), 1.0, (-1.0, 1.0), _near)
        case ops.Asin():
            return Curve(np.arcsin, _split(_arc, (0.0,), (-1, 1)), defined=_unit)
        case ops.Acos():
            return Curve(np.arccos, _split(lambda x: -_arc(x), (0.0,), (1, -1)), defined=_unit)
        case ops.Atan():
            return Curve(np.arctan, _split(lambda x: 1 / (1 + x * x), (0.0,), (1, -1)))
        case ops.Sinh():
            return Curve(np.sinh, _split(np.cosh, (0.0,), (-1, 1)))
        case ops.Cosh():
            return Curve(np.cosh, _split(np.sinh, (), (1,)), image=(1.0, INFINITE))
        case ops.Asinh():
            return Curve(np.arcsinh, _split(lambda x: 1 / np.hypot(1.0, x), (0.0,), (1, -1)))
        case ops.Erf():
            peak = 2 / math.sqrt(math.pi)
            return Curve(_erf, _split(lambda x: peak * np.exp(-x * x), (0.0,), (1, -1)), 1.0, (-1.0, 1.0))
        case ops.Softplus():
            return Curve(partial(np.logaddexp, 0.0), _split(sigmoid, (), (1,)), image=(0.0, INFINITE))
        case ops.Softsign():
            slope = _split(lambda x: (1 + abs(x)) ** -2.0, (0.0,), (1, -1))
            return Curve(lambda x: x / (1 + abs(x)), slope, image=(-1.0, 1.0))
        case ops.Silu():
            bend = 2.3993572805154677
            return Curve(lambda x: x * sigmoid(x), _split(_silu, (-bend, bend), (-1, 1, -1)), 1.2)
        case ops.Gelu():
            bend = math.sqrt(2)
            return Curve(lambda x: x * _normal(x), _split(_gelu, (-bend, bend), (-1, 1, -1)), 1.2)
        case ops.GeluTanh():
            bend = 1.4185040087908284
            return Curve(lambda x: x * _near_normal(x), _split(_gelu_tanh, (-bend, bend), (-1, 1, -1)), 1.2)
        case ops.Mish():
            bends = -2.2563763963607931, 1.4905711794854285
            return Curve(lambda x: x * np.tanh(np.logaddexp(0.0, x)), _split(_mish, bends, (-1, 1, -1)), 1.2)
        case ops.Elu():
            return _elu(op.alpha, op.scale, op.width)
        case ops.HardSwish():
            middle = Piece(-3.0, 3.0, 1, lambda x: x / 3 + 0.5, lambda s: 3 * s - 1.5)
            pieces = _fixed(_line(-INFINITE, -3.0, 0.0), middle, _line(3.0, INFINITE, 1.0))
            return Curve(lambda x: x * np.clip(x / 6 + 0.5, 0.0, 1.0), pieces, 1.5)
    raise UnsupportedModel(f"the checker has no rule for {op.label}")


def _fixed(*pieces: Piece) -> Callable[[Array], Sequence[Piece]]:
    return lambda lower: pieces


def _split(derivative: Map, bends: Sequence[float], signs: Sequence[int]) -> Callable[[Array], Sequence[Piece]]:
    """One derivative, and inflection points between pieces of these signs."""
    ends = (-INFINITE, *bends, INFINITE)
    return _fixed(*(Piece(a, b, s, derivative) for a, b, s in zip(ends[:-1], ends[1:], signs, strict=True)))


def _mirrored(derivative: Map, signs: tuple[int, int], point: Map) -> Callable[[Array], Sequence[Piece]]:
    """An even derivative that falls from zero on, where it is a slope at `point(slope)` and its negative."""
    left = Piece(-INFINITE, 0.0, signs[0], derivative, lambda s: -point(s))
    return _fixed(left, Piece(0.0, INFINITE, signs[1], derivative, point))


def _line(lower: float, upper: float, slope: float) -> Piece:
    return Piece(lower, upper, 0, partial(np.full_like, fill_value=slope))


def sigmoid(x: Array) -> Array:
    """With a small relative error on either side."""
    small = np.exp(-abs(x))
    return np.where(x >= 0, 1.0, small) / (1 + small)


def _bell(x: Array) -> Array:
    """The derivative of the sigmoid."""
    small = np.exp(-abs(x))
    return small / (1 + small) ** 2


def _artanh(slope: Array) -> Array:
    return np.arctanh(np.minimum(np.sqrt(1 - np.clip(slope, 1e-12, 1.0)), 1 - 1e-12))


def _logit(slope: Array) -> Array:
    return 2 * _artanh(4 * slope)


def _near(lower: Array, upper: Array) -> Array:
    """Is a wave's interval covered by its four halves, and are they where they are thought to be?"""
    return (np.maximum(abs(lower), abs(upper)) < LARGEST_PHASE) & (upper - lower < 2.5 * math.pi)


def _wave(derivative: Map, shift: float, lower: Array) -> Sequence[Piece]:
    """Four half waves from the one that holds the lower end, concave where `sin(x + shift * pi) > 0`. The first one
    starts at the lower end itself, wherever rounding puts its own beginning."""
    first = np.floor(lower / math.pi + shift)
    starts = [(first + (k - shift)) * math.pi for k in range(5)]
    ends = [np.full(lower.shape, -INFINITE), *starts[1:]]
    signs = [np.where((first + k) % 2 == 0, -1, 1) for k in range(4)]
    points = [partial(_turned, start, sign) for start, sign in zip(starts, signs, strict=False)]
    return [Piece(*facts[:3], derivative, facts[3]) for facts in zip(ends[:-1], ends[1:], signs, points, strict=True)]


def _turned(start: Array, sign: Array, slope: Array) -> Array:
    return start + np.arccos(np.clip(-sign * slope, -1.0, 1.0))


def _unit(lower: Array, upper: Array) -> Array:
    return (lower >= -1) & (upper <= 1)


def _arc(x: Array) -> Array:
    return 1 / np.sqrt((1 - x) * (1 + x))


def _power(p: float) -> Curve:
    """Powers bend at zero, if at all. What is rounded in `p - 1` enters the derivative with the logarithm of x."""
    if abs(p) > 1e6:
        raise UnsupportedModel(f"the checker has no rule for the power {p:g}")
    roundings = 64 if p == round(p) else 2048 * max(1, math.ceil(abs(p)))
    derivative = partial(_slope_of_power, p)
    if p == round(p):
        pieces = _split(derivative, (0.0,), (1 if p % 2 == 0 else -1, 1))
    else:
        pieces = _split(derivative, (), (1 if p < 0 or p > 1 else -1,))
    image = (0.0, INFINITE) if p % 2 == 0 else (-INFINITE, INFINITE)
    return Curve(lambda x: x**p, pieces, 0.0, image, partial(_defined_power, p), roundings)


def _slope_of_power(p: float, x: Array) -> Array:
    return p * (x + 0.0) ** (p - 1)  # at minus zero a negative power would fall


def _defined_power(p: float, lower: Array, upper: Array) -> Array:
    if p < 0:
        return (lower > 0) | ((upper < 0) & (p == round(p)))
    return lower <= upper if p == round(p) else lower >= 0


def _silu(x: Array) -> Array:
    return sigmoid(x) * (1 + x * sigmoid(-x))


def _normal(x: Array) -> Array:
    """The normal distribution, with a small relative error on either side."""
    return _erfc(-x * math.sqrt(0.5)) / 2


def _gelu(x: Array) -> Array:
    return _normal(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _bent(x: Array) -> Array:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _near_normal(x: Array) -> Array:
    return (1 + np.tanh(_bent(x))) / 2


def _gelu_tanh(x: Array) -> Array:
    rise = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return _near_normal(x) + x / 2 * rise * np.cosh(_bent(x)) ** -2


def _mish(x: Array) -> Array:
    y = np.logaddexp(0.0, x)
    return np.tanh(y) + x * sigmoid(x) * np.cosh(y) ** -2


def _elu(alpha: float, scale: float, width: float) -> Curve:
    if width <= 0:
        raise UnsupportedModel(f"the checker has no rule for an exponential unit of width {width:g}")
    bent = 1 if scale * alpha >= 0 else -1

    def value(x: Array) -> Array:
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0) / width))

    def derivative(x: Array) -> Array:
        return scale * alpha / width * np.exp(np.minimum(x, 0.0) / width)

    pieces = _fixed(Piece(-INFINITE, 0.0, bent, derivative), _line(0.0, INFINITE, scale))
    return Curve(value, pieces, abs(scale) * max(1.0, abs(alpha / width)))
