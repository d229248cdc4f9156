"""Which rule bounds which nonlinear op; and those of piecewise linear functions, maxima and products."""

import numpy as np

from verifier.certificates.curved import Curved
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Lines, Range, Rule, least, most
from verifier.certificates.softmax import Share
from verifier.certificates.steps import Steps
from verifier.certificates.wrapped import Wrapped
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu, Step, Wrap
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.softmax import Softmax


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
        return least(below), most(above)

    def chords(self, lower: Array, upper: Array) -> tuple[Array, ...]:
        return (self.numbers.divide(self.value(upper) - self.value(lower), upper - lower),)

    def image(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Values at breaks and ends; only a LeakyReLU rounds them."""
        if isinstance(self.op, LeakyRelu):
            return super().image(lower, upper)
        values = [
            self.value(x) for x in (lower, *(np.minimum(np.maximum(lower, b), upper) for b in self.breaks), upper)
        ]
        return least(values), most(values)


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

    def parallel(self, lower: Array, upper: Array, usual: Lines) -> Lines:
        """The chord, whose gap is the least."""
        return self.lines(lower, upper, self.chord(lower, upper))

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

    def standard(self, lower: Array, upper: Array) -> Lines:
        """Of the planes between McCormick's (1976) the flattest, and of several the one in the middle: slopes are
        `p + t r` of the other factor, with the `t` of [-1, 1] nearest to zero that lies between both factors' `-p / r`;
        above, one factor counts as its negative."""
        center, radius = self.numbers.middle(lower, upper)
        both = np.repeat((radius > 0).reshape(*radius.shape[:-1], -1, 2).all(-1), 2, -1)
        sign = np.resize(self.numbers.array(np.array([-1.0, 1.0])), radius.shape[-1])
        slopes = []
        for way in (abs(sign), sign):
            turn = self.numbers.divide(-self._flipped(center) * way, self._flipped(radius))
            ends = np.minimum(turn, self._flipped(turn)), np.maximum(turn, self._flipped(turn))
            zero, one = self.numbers.zeros((1,)), abs(sign[:1])
            tilt = np.minimum(np.maximum(np.minimum(np.maximum(zero, ends[0]), ends[1]), -one), one)
            slopes.append(self._flipped(center) + np.where(both, tilt * way, zero) * self._flipped(radius))
        return self.lines(lower, upper, *slopes)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        a, b = slope[..., ::2], slope[..., 1::2]
        below, above = [], []
        for p in (lower[..., ::2], upper[..., ::2]):
            for q in (lower[..., 1::2], upper[..., 1::2]):
                value = p * q - a * p - b * q
                pad = self.gamma * (abs(p * q) + abs(a * p) + abs(b * q)) + self.tiny
                below.append(value - pad)
                above.append(value + pad)
        return least(below), most(above)


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
        case Wrap():
            return Wrapped(op, shape, numbers)
        case Max():
            return Greatest(op, shape, numbers)
        case Product():
            return Pair(op, shape, numbers)
        case Softmax():
            return Share(op, shape, numbers)
    return Steps(op, shape, numbers) if isinstance(op, Step) else Curved(op, shape, numbers)
