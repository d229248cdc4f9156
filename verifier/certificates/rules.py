"""Nonlinear ops of the checker: for an interval and any slope, what `f(x) - slope * x` can be.

Slopes come from the certificate and may be anything; intercepts are computed here. `linear` tells where no slope has to
be chosen, `range` between which slopes a certificate's shares lie. Entries are flattened; `group` entries of the
argument belong to one of the result. Corners of a gap are moved outwards by the rounding of the few operations
behind them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.certificates.numbers import Array, Numbers
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu, Sigmoid, Tanh
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product

Range = tuple[tuple[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Lines:
    """`low * x + least <= f(x) <= high * x + greatest`: slopes `(..., n)`, intercepts `(..., m)`; None is zero."""

    low: Array
    high: Array
    least: Array | None
    greatest: Array


class Rule(ABC):
    """One nonlinear node."""

    group = 1

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        self.op, self.shape, self.numbers = op, shape, numbers
        self.gamma, self.tiny = numbers.gamma(64), numbers.tiny

    @abstractmethod
    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Where `f` is linear on the interval, `(B, n)`, and its slope there."""

    @abstractmethod
    def range(self, lower: Array, upper: Array) -> Range:
        """The least and the greatest slope of the lower line, and of the upper one."""

    @abstractmethod
    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        """Below and above all values of `f(x) - slope * x`: `(..., m)`."""

    def lines(self, lower: Array, upper: Array, low: Array, high: Array) -> Lines:
        """Lines with these slopes, and with the function's own where it is linear."""
        fixed, own = self.linear(lower, upper)
        low, high = np.where(fixed, own, low), np.where(fixed, own, high)
        return Lines(low, high, self.gap(lower, upper, low)[0], self.gap(lower, upper, high)[1])

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The interval of `f`: the gap of a level line."""
        return self.gap(lower, upper, self.numbers.zeros((1, lower.shape[-1])))


class PieceWise(Rule):
    """Continuous, with `slopes[i]` between `breaks[i - 1]` and `breaks[i]`: extremes lie at breaks and ends."""

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        zero, one = numbers.zeros((1,)), numbers.array(np.ones(1))
        self.breaks: list[Array] = [zero]
        self.slopes: list[Array] = [zero, one]
        match op:
            case LeakyRelu():
                self.slopes = [self._spread(op.slope), one]
            case Abs():
                self.slopes = [-one, one]
            case Clip():
                ends = (op.least, zero), (op.greatest, one)
                pieces = [(self._spread(b), s) for b, s in ends if bool(b.isfinite().any())]
                self.breaks = [b for b, _ in pieces]
                self.slopes = [s for _, s in pieces] + [one if not bool(op.greatest.isfinite().any()) else zero]

    def _spread(self, tensor: object) -> Array:
        value = self.numbers.array(tensor.double().numpy())  # type: ignore[attr-defined]
        return np.broadcast_to(value, self.shape).reshape(-1)

    def value(self, x: Array) -> Array:
        match self.op:
            case Relu():
                return np.maximum(x, self.breaks[0])
            case LeakyRelu():
                return np.where(x > 0, x, x * self.slopes[0])
            case Abs():
                return np.abs(x)
            case Clip():
                for b, above in zip(self.breaks, self.slopes[1:], strict=True):
                    x = np.maximum(x, b) if (above == 1).all() else np.minimum(x, b)
                return x
        raise UnsupportedModel(f"the checker has no rule for {self.op.label}")

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        fixed = np.ones(lower.shape, dtype=bool)
        own = np.broadcast_to(self.slopes[0], lower.shape)
        for b, above in zip(self.breaks, self.slopes[1:], strict=True):
            fixed &= ~((lower < b) & (b < upper))
            own = np.where(lower >= b, above, own)
        return fixed, own

    def range(self, lower: Array, upper: Array) -> Range:
        steep = np.broadcast_to(max(1, *(abs(s).max() for s in self.slopes)), lower.shape)
        return (-steep, steep), (-steep, steep)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        below, above = [], []
        for x in [lower, *(np.minimum(np.maximum(lower, b), upper) for b in self.breaks), upper]:
            value, drop = self.value(x), slope * x
            pad = self.gamma * (abs(value) + abs(drop)) + self.tiny
            below.append(value - drop - pad)
            above.append(value - drop + pad)
        return _least(below), _most(above)

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Values at breaks and ends; only a LeakyReLU rounds them."""
        if isinstance(self.op, LeakyRelu):
            return super().image(lower, upper)
        values = [
            self.value(x) for x in (lower, *(np.minimum(np.maximum(lower, b), upper) for b in self.breaks), upper)
        ]
        return _least(values), _most(values)


class Rectifier(PieceWise):
    """ReLU: the chord above, and below any line through zero with a slope from 0 to 1."""

    def chord(self, lower: Array, upper: Array) -> Array:
        """`u / (u - l)`, 1 where active, 0 where inactive."""
        above, zero = np.maximum(upper, self.breaks[0]), self.breaks[0]
        slope = self.numbers.divide(above, above - np.minimum(lower, zero))
        return np.where(lower >= 0, self.slopes[1], slope)

    def standard(self, lower: Array, upper: Array) -> Lines:
        """The slope below that leaves less area (Zhang et al. 2018)."""
        return self.lines(lower, upper, np.where(upper > -lower, self.slopes[1], self.slopes[0]))

    def lines(self, lower: Array, upper: Array, low: Array, high: Array | None = None) -> Lines:
        high, zero, one = self.chord(lower, upper), self.slopes[0], self.slopes[1]
        low = np.minimum(np.maximum(low, np.where(lower >= 0, one, zero)), np.where(upper > 0, one, zero))
        ends = np.maximum(-high * lower, np.maximum(upper, zero) - high * upper)  # where l >= 0, or u <= 0, both are 0
        inside = (lower < 0) & (upper > 0)
        pad = self.gamma * (np.maximum(upper, zero) + high * np.maximum(-lower, upper)) + self.tiny
        return Lines(low, high, None, np.where(inside, np.maximum(ends, zero) + pad, zero))

    def range(self, lower: Array, upper: Array) -> Range:
        high, zero, one = self.chord(lower, upper), self.slopes[0], self.slopes[1]
        return (np.where(lower >= 0, one, zero), np.where(upper > 0, one, zero)), (high, high)

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        return self.value(lower), self.value(upper)


class Greatest(Rule):
    """The maximum of a group. At least any convex combination, and at least the greatest lower end; for each candidate
    the rest is linear."""

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        self.group = shape[-1]

    def _grouped(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], -1, self.group)

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        low, high = self._grouped(lower), self._grouped(upper)
        best = np.argmax(low, axis=-1)[..., None]
        hot = np.arange(self.group) == best
        rivals = np.where(hot, low.min(-1, keepdims=True), high).max(-1, keepdims=True)
        fixed = np.broadcast_to(np.take_along_axis(low, best, -1) >= rivals, low.shape)
        one, zero = self.numbers.array(np.ones(1)), self.numbers.zeros((1,))
        return fixed.reshape(lower.shape), np.where(hot, one, zero).reshape(lower.shape)

    def range(self, lower: Array, upper: Array) -> Range:
        zero = np.broadcast_to(self.numbers.zeros((1,)), lower.shape)
        return (zero, zero + 1), (zero, zero + 1)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        low, high, s = self._grouped(lower), self._grouped(upper), self._grouped(slope)
        zero = self.numbers.zeros((1,))
        weight = np.maximum(s, zero)
        total = weight.sum(-1, keepdims=True)
        share = np.where(total > 0, self.numbers.divide(weight, total), self.numbers.divide(weight * 0 + 1, self.group))
        tilt = share - s
        mixed = np.where(tilt > 0, tilt * low, tilt * high).sum(-1)
        flat = low.max(-1) - np.maximum(s * low, s * high).sum(-1)
        rest = np.where(s > 0, -s * low, -s * high)
        own = np.where(s < 1, (1 - s) * high, (1 - s) * low)
        greatest = (rest.sum(-1, keepdims=True) - rest + own).max(-1)
        reach = np.maximum(abs(low), abs(high))
        pad = self.numbers.gamma(64 + 4 * self.group) * ((3 + 2 * abs(s)) * reach).sum(-1) + self.tiny
        return np.maximum(mixed, flat) - pad, greatest + pad


class Pair(Rule):
    """The product of two entries: bilinear, so extremes lie at the four corners."""

    group = 2

    @staticmethod
    def _flipped(x: Array) -> Array:
        return x.reshape(*x.shape[:-1], -1, 2)[..., ::-1].reshape(x.shape)

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        point = (lower == upper).reshape(*lower.shape[:-1], -1, 2).any(-1)
        return np.repeat(point, 2, -1), self._flipped(self.numbers.divide(lower + upper, 2))

    def range(self, lower: Array, upper: Array) -> Range:
        low, high = self._flipped(lower), self._flipped(upper)
        return (low, high), (low, high)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        a, b = slope[..., ::2], slope[..., 1::2]
        below, above = [], []
        for p in (lower[..., ::2], upper[..., ::2]):
            for q in (lower[..., 1::2], upper[..., 1::2]):
                value = p * q - a * p - b * q
                pad = self.gamma * (abs(p * q) + abs(a * p) + abs(b * q)) + self.tiny
                below.append(value - pad)
                above.append(value + pad)
        return _least(below), _most(above)


class SShaped(Rule):
    """Sigmoid and tanh: convex below zero, concave above. Ends and zero hold all extremes but the stationary ones, and
    those a tangent bounds from outside, wherever it touches. numpy's functions are taken to be right to 32 units."""

    def __init__(self, op: Op, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        if numbers.exact:
            raise UnsupportedModel(f"{op.label} has no exact values; check without --exact")
        self.tanh = op.label == "Tanh"

    def value(self, x: Array) -> Array:
        return np.tanh(x) if self.tanh else 0.5 + 0.5 * np.tanh(0.5 * x)

    def derivative(self, x: Array) -> Array:
        y = self.value(x)
        return (1 - y) * (1 + y) if self.tanh else y * (1 - y)

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        return lower == upper, np.zeros(lower.shape)

    def range(self, lower: Array, upper: Array) -> Range:
        ends = self.derivative(lower), self.derivative(upper)
        steepest = 1.0 if self.tanh else 0.25
        greatest = np.where((lower < 0) & (upper > 0), steepest, np.maximum(*ends))
        return (np.minimum(*ends), greatest), (np.minimum(*ends), greatest)

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Both functions grow."""
        floor = -1.0 if self.tanh else 0.0
        return np.maximum(self.value(lower) - self.gamma, floor), np.minimum(self.value(upper) + self.gamma, 1.0)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        zero = np.minimum(np.maximum(lower, 0.0), upper)
        ends = [self.value(x) - slope * x for x in (lower, zero, upper)]
        low = self._tangent(slope, lower, zero, 1.0)
        high = self._tangent(slope, zero, upper, -1.0)
        pad = self.gamma * (2 + (2 + 2 * abs(slope)) * np.maximum(abs(lower), abs(upper)))
        return _least([*ends, low]) - pad, _most([*ends, high]) + pad

    def _tangent(self, slope: Array, a: Array, b: Array, sign: float) -> Array:
        """On `[a, b]`, where `f` is convex (sign 1) or concave (-1), the extreme of a tangent of `f - slope * x`."""
        share = np.clip(slope / (1.0 if self.tanh else 0.25), 1e-12, 1.0)
        far = np.arctanh(np.minimum(np.sqrt(1 - share), 1 - 1e-12)) * (1.0 if self.tanh else 2.0)
        p = np.minimum(np.maximum(-sign * far, a), b)
        tilt = sign * (self.derivative(p) - slope)
        fall = np.maximum(tilt, 0) * (p - a) + np.maximum(-tilt, 0) * (b - p)
        return self.value(p) - slope * p - sign * fall


def _least(arrays: Sequence[Array]) -> Array:
    least = arrays[0]
    for x in arrays[1:]:
        least = np.minimum(least, x)
    return least


def _most(arrays: Sequence[Array]) -> Array:
    most = arrays[0]
    for x in arrays[1:]:
        most = np.maximum(most, x)
    return most


def rule(op: Op, shape: tuple[int, ...], numbers: Numbers) -> Rule:
    """The rule for a node whose argument has `shape`.

    Raises:
        UnsupportedModel: there is none.
    """
    match op:
        case Relu():
            return Rectifier(op, shape, numbers)
        case LeakyRelu() | Abs() | Clip():
            return PieceWise(op, shape, numbers)
        case Max():
            return Greatest(op, shape, numbers)
        case Product():
            return Pair(op, shape, numbers)
        case Sigmoid() | Tanh():
            return SShaped(op, shape, numbers)
    raise UnsupportedModel(f"the checker has no rule for {op.label}")
