"""Smooth functions: convex or concave between breakpoints. Sigmoid and tanh, which are S-shaped and odd about zero."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import Sigmoid, Tanh
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes, chord

BISECTIONS = 16  # a tangent point that is off by e costs area of the order of e^2


@dataclass(frozen=True)
class SShaped(Relaxation):
    """Convex below zero, concave above, with a point symmetry at zero."""

    conditions = "tightest on one side of zero"

    def derivative(self, op: Op, x: Tensor) -> Tensor:
        y = op.forward(x)
        match op:
            case Sigmoid():
                return y * (1 - y)
            case Tanh():
                return (1 - y) * (1 + y)
        raise TypeError(f"{op.label} is not known to be S-shaped")

    def stationary(self, op: Op, slope: Tensor) -> Tensor:
        """A guess of `x >= 0` with `f'(x) = slope`; `-x` is the other one."""
        match op:
            case Sigmoid():
                root = (1 - 4 * slope.clamp(1e-12, 0.25)).clamp(min=0).sqrt()
                return ((1 + root) / (1 - root).clamp(min=1e-12)).log()
            case Tanh():
                return torch.atanh((1 - slope.clamp(1e-12, 1)).clamp(0, 1 - 1e-12).sqrt().clamp(max=1 - 1e-7))
        raise TypeError(f"{op.label} is not known to be S-shaped")

    def image(self, op: Op, x: Interval) -> Interval:
        """Both functions grow."""
        return Interval(op.forward(x.lower), op.forward(x.upper))

    def codomain(self, op: Op) -> tuple[float, float]:
        return (0.0, 1.0) if isinstance(op, Sigmoid) else (-1.0, 1.0)

    def steepness(self, op: Op) -> float:
        return 0.25 if isinstance(op, Sigmoid) else 1.0

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        ends = [self.derivative(op, end) for end in (x.lower, x.upper)]
        least, greatest = torch.minimum(*ends), torch.maximum(*ends)
        greatest = torch.where((x.lower < 0) & (x.upper > 0), self.steepness(op), greatest)
        return Slopes(least, least), Slopes(greatest, greatest)

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Ends and zero hold all extremes but the stationary ones, which tangents bound from outside."""
        middle = torch.minimum(torch.maximum(x.lower, torch.zeros_like(x.lower)), x.upper)
        values = torch.stack([op.forward(c) - slope * c for c in (x.lower, middle, x.upper)])
        point = self.stationary(op, slope.detach()).to(x.lower.dtype)
        low = self._beyond(op, slope, -point, x.lower, middle, 1.0)
        high = self._beyond(op, slope, point, middle, x.upper, -1.0)
        return torch.minimum(values.amin(0), low), torch.maximum(values.amax(0), high)

    def _beyond(self, op: Op, slope: Tensor, point: Tensor, a: Tensor, b: Tensor, sign: float) -> Tensor:
        """The least value (sign 1, convex) or greatest (-1, concave) of `g = f - slope * x` on `[a, b]`, from outside:
        the tangent at a guessed point bounds `g`, and a bad guess only loosens it."""
        p = torch.minimum(torch.maximum(point, a), b)
        value, tilt = op.forward(p) - slope * p, sign * (self.derivative(op, p) - slope)
        return value - sign * (tilt.relu() * (p - a) + (-tilt).relu() * (b - p))

    def guess(self, op: Op, x: Interval) -> Slopes:
        mirrored = Interval(-x.upper, -x.lower)
        return Slopes(self._upper(op, mirrored), self._upper(op, x))

    def _upper(self, op: Op, x: Interval) -> Tensor:
        """Above a convex part the chord. Above a concave one a tangent, whose area is least in the middle. Above both a
        tangent too, but not before the one through the lower end (Zhang et al. 2018, table 3), or the chord where even
        that one would touch beyond the upper end."""
        lower, upper = x.lower, x.upper
        straight = chord(op.forward(lower), op.forward(upper), x)
        near, far = torch.zeros_like(lower), upper.relu()
        for _ in range(BISECTIONS if bool(((lower < 0) & (upper > 0)).any()) else 0):
            middle = (near + far) / 2
            beyond = self.derivative(op, middle) * (middle - lower) < op.forward(middle) - op.forward(lower)
            near, far = torch.where(beyond, near, middle), torch.where(beyond, middle, far)
        slope = torch.where(
            self.derivative(op, upper) >= straight, straight, self.derivative(op, torch.maximum(far, x.center))
        )
        return torch.where(lower >= 0, self.derivative(op, x.center), torch.where(upper <= 0, straight, slope))

    def linear(self, op: Op, x: Interval) -> Tensor:
        return x.lower == x.upper
