"""One relaxation for all functions that are convex or concave between known points."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.curves import Piece, codomain, covered, pieces, steepness
from verifier.relaxations.relaxation import Relaxation, Slopes, chord

BISECTIONS = 16  # halve the bracket of a stationary point; what the two tangents at its ends lose shrinks by 4 each
GRID = 17  # points by which slopes are guessed where a function changes its curvature
SEARCHES = 12
FAR = 1e4  # where infinite intervals are searched
ERROR = 32  # units of roundoff by which a computed derivative may be wrong, of all numbers that enter it


@dataclass(frozen=True)
class Curved(Relaxation):
    """Of `g = f - slope * x` on a convex piece the greatest value is at an end. Its least is bounded by tangents at two
    points on both sides of the stationary one: wherever these are, a tangent lies below."""

    conditions = "tightest where it does not change its curvature; nothing where it is undefined"

    def steepness(self, op: Op) -> float:
        return steepness(op)

    def codomain(self, op: Op) -> tuple[float, float]:
        return codomain(op)

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        return self._extremes(op, x, slope)

    def image(self, op: Op, x: Interval) -> Interval:
        """Of the level line; infinite ends are not multiplied by its slope."""
        least, greatest = self._extremes(op, x, None)
        limit, (low, high) = torch.finfo(least.dtype).max, codomain(op)
        least, greatest = least.clamp(max=limit), greatest.clamp(min=-limit)  # infinite: the function overflowed there
        return Interval(least.clamp(min=low), greatest.clamp(max=high))

    def _extremes(self, op: Op, x: Interval, slope: Tensor | None) -> tuple[Tensor, Tensor]:
        least, greatest = torch.full_like(x.lower, torch.inf), torch.full_like(x.lower, -torch.inf)
        for piece in pieces(op, x):
            low, high = _Graph(op, piece, x, slope).extremes()
            least, greatest = torch.minimum(least, low), torch.maximum(greatest, high)
        whole = covered(op, x)
        if bool(whole.all()):
            return least, greatest
        bottom, top = codomain(op)
        level = torch.zeros_like(least)
        ends = (level, level) if slope is None else (slope * x.lower, slope * x.upper)
        lowest, highest = bottom - torch.maximum(*ends), top - torch.minimum(*ends)
        return torch.where(whole, least, lowest), torch.where(whole, greatest, highest)

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        """Derivatives inside; they are extreme where pieces meet."""
        guess = self.guess(op, x)
        least, greatest = torch.minimum(guess.lower, guess.upper), torch.maximum(guess.lower, guess.upper)
        for piece in pieces(op, x):
            inside = _overlap(piece, x)
            for end in (inside.lower, inside.upper):
                tilt = piece.derivative(end)
                use = tilt.isfinite() & (inside.lower < inside.upper)
                least = torch.where(use, torch.minimum(least, tilt), least)
                greatest = torch.where(use, torch.maximum(greatest, tilt), greatest)
        return Slopes(least, least), Slopes(greatest, greatest)

    def guess(self, op: Op, x: Interval) -> Slopes:
        """Of a few slopes those whose lines are tightest at the centre, so of least area."""
        tangent = self._tangent(op, x)
        straight = chord(op.forward(x.lower), op.forward(x.upper), x)
        candidates = [tangent, straight]
        if bool(self._turns(op, x).any()):
            candidates += _hull_slopes(op, x)
        stack = torch.stack(candidates).nan_to_num(0.0, 0.0, 0.0)
        gaps = [self.gap(op, x, slope) for slope in stack]
        below = torch.stack([s * x.center + g[0] for s, g in zip(stack, gaps, strict=True)])
        above = torch.stack([s * x.center + g[1] for s, g in zip(stack, gaps, strict=True)])
        lower = below.nan_to_num(-torch.inf).argmax(0, keepdim=True)
        upper = above.nan_to_num(torch.inf).argmin(0, keepdim=True)
        straight_there = self.linear(op, x)
        return Slopes(
            torch.where(straight_there, stack[0], stack.gather(0, lower)[0]),
            torch.where(straight_there, stack[0], stack.gather(0, upper)[0]),
        )

    def linear(self, op: Op, x: Interval) -> Tensor:
        point = x.lower == x.upper
        for piece in pieces(op, x):
            if piece.linear:
                point = point | ((x.lower >= piece.lower) & (x.upper <= piece.upper))
        return point

    @staticmethod
    def _tangent(op: Op, x: Interval) -> Tensor:
        """The derivative at the centre."""
        slope = torch.zeros_like(x.center)
        for piece in pieces(op, x):
            slope = torch.where(x.center >= piece.lower, piece.derivative(x.center), slope)
        return slope

    @staticmethod
    def _turns(op: Op, x: Interval) -> Tensor:
        """Does the interval hold an inner point where pieces meet?"""
        turns = torch.zeros_like(x.lower, dtype=torch.bool)
        for piece in pieces(op, x):
            turns = turns | ((piece.upper > x.lower) & (piece.upper < x.upper))
        return turns


class _Graph:
    """`g = f - slope * x` on the part of an interval that lies in one piece; without a slope `f` itself."""

    def __init__(self, op: Op, piece: Piece, x: Interval, slope: Tensor | None) -> None:
        self.op, self.piece, self.slope, self.inside = op, piece, slope, _overlap(piece, x)
        self.unit = ERROR * torch.finfo(x.lower.dtype).eps

    def extremes(self) -> tuple[Tensor, Tensor]:
        first, last = self.value(self.inside.lower), self.value(self.inside.upper)
        if self.piece.linear:
            return torch.minimum(first, last), torch.maximum(first, last)
        bent = self.piece.sign * self.beyond()
        up = torch.as_tensor(self.piece.sign, device=bent.device) > 0
        low = torch.where(up, bent, torch.minimum(first, last))
        return low, torch.where(up, torch.maximum(first, last), bent)

    def value(self, p: Tensor) -> Tensor:
        """Where `f` overflows its difference to a line is unknown."""
        y = self.op.forward(p)
        if self.slope is None:
            return y
        return torch.where(y.isfinite(), y - self.slope * p, torch.nan)

    def tilt(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """The derivative of `sign * g`, from below and from above."""
        rise = self.piece.derivative(p)
        size = rise.abs() + steepness(self.op)
        if self.slope is not None:
            rise, size = rise - self.slope, size + self.slope.abs()
        off = self.unit * size + torch.finfo(p.dtype).tiny  # a derivative may underflow
        low, high = self.piece.sign * rise - off, self.piece.sign * rise + off
        return low.nan_to_num(-torch.inf, torch.inf, -torch.inf), high.nan_to_num(torch.inf, torch.inf, -torch.inf)

    def beyond(self) -> Tensor:
        """At most the least value of the convex `sign * g`."""
        a, b = self.inside.lower, self.inside.upper
        near, far = self.bracket()
        (near_low, near_high), (far_low, far_high) = self.tilt(near), self.tilt(far)
        right = torch.where(far_low >= 0, far, b) - near  # the least lies no farther than where g rises
        left = far - torch.where(near_high <= 0, near, a)
        at_near = self.piece.sign * self.value(near) - torch.maximum(lost(-near_low, right), lost(near_high, near - a))
        at_far = self.piece.sign * self.value(far) - torch.maximum(lost(far_high, left), lost(-far_low, b - far))
        return torch.fmax(at_near, at_far)

    def bracket(self) -> tuple[Tensor, Tensor]:
        """Two points that usually have the stationary one between them."""
        with torch.no_grad():
            near, far = _finite(self.inside)
            for _ in range(BISECTIONS):
                middle = near / 2 + far / 2
                low, high = self.tilt(middle)
                rising = low + high > 0
                near, far = torch.where(rising, near, middle), torch.where(rising, middle, far)
            a, b = self.inside.lower, self.inside.upper
            return torch.minimum(torch.maximum(near, a), b), torch.minimum(torch.maximum(far, a), b)


def _overlap(piece: Piece, x: Interval) -> Interval:
    """The part of the interval that lies in the piece; an end of the interval where there is none."""
    low = torch.as_tensor(piece.lower, dtype=x.lower.dtype, device=x.lower.device)
    high = torch.as_tensor(piece.upper, dtype=x.lower.dtype, device=x.lower.device)
    return Interval(
        torch.minimum(torch.maximum(x.lower, low), x.upper), torch.minimum(torch.maximum(x.lower, high), x.upper)
    )


def _finite(x: Interval) -> tuple[Tensor, Tensor]:
    """The interval's ends, infinite ones replaced by distant ones."""
    lower = torch.where(x.lower.isfinite(), x.lower, x.upper.clamp(-FAR, 0) - FAR)
    return lower, torch.where(x.upper.isfinite(), x.upper, x.lower.clamp(0, FAR) + FAR)


def lost(tilt: Tensor, distance: Tensor) -> Tensor:
    """How far a line falls; nothing is not infinite times zero."""
    return torch.where((tilt > 0) & (distance > 0), tilt * distance, 0.0)


def _hull_slopes(op: Op, x: Interval) -> list[Tensor]:
    """Slopes of the convex and the concave hull at the centre, of the function on a grid.

    `s * center + min(f - s * x)` is concave in the slope `s`, and rises while the minimum lies left of the centre.
    """
    lower, upper = _finite(x)
    share = torch.linspace(0, 1, GRID, dtype=lower.dtype, device=lower.device).reshape(-1, *(1,) * lower.dim())
    grid = lower + (upper - lower) * share
    values, middle = op.forward(grid), x.center
    steps = (values[1:] - values[:-1]) / (grid[1:] - grid[:-1])
    found = []
    for sign in (1, -1):
        low, high = steps.amin(0), steps.amax(0)
        for _ in range(SEARCHES):
            slope = (low + high) / 2
            place = (sign * (values - slope * grid)).argmin(0, keepdim=True)
            steeper = (grid.gather(0, place)[0] < middle) == (sign > 0)
            low, high = torch.where(steeper, slope, low), torch.where(steeper, high, slope)
        found.append((low + high) / 2)
    return found
