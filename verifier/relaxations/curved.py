"""One relaxation for all functions that are convex or concave between known points."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.curves import Piece, codomain, covered, pieces, steepness
from verifier.relaxations.relaxation import Relaxation, Slopes, chord

BISECTIONS = 5  # of the search for a stationary point without a formula
SECANTS = 3  # after them; each squares the error, about
GRID = 17  # points by which slopes are guessed where a function changes its curvature
SEARCHES = 12
FAR = 1e4  # where infinite intervals are searched
ERROR = 32  # units of roundoff by which a computed derivative may be wrong, of all numbers that enter it


@dataclass(frozen=True)
class Curved(Relaxation):
    """Of `g = f - slope * x` on a convex piece the greatest value is at an end. Its least is bounded by the
    tangent at a point that should be the stationary one: wherever it is, a tangent lies below."""

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
        found = [_extremes(op, piece, _overlap(piece, x), slope) for piece in _met(op, x)]
        least, greatest = found[0]
        for low, high in found[1:]:
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
        """Derivatives inside; they are extreme where pieces meet. Where one is infinite the guess has to do."""
        least, greatest = torch.full_like(x.lower, torch.inf), torch.full_like(x.lower, -torch.inf)
        steep = torch.zeros_like(x.lower, dtype=torch.bool)
        for piece in _met(op, x):
            inside = _overlap(piece, x)
            apart = inside.lower < inside.upper
            for end in (inside.lower, inside.upper):
                tilt = piece.derivative(end)
                use = tilt.isfinite() & apart
                least = torch.where(use, torch.minimum(least, tilt), least)
                greatest = torch.where(use, torch.maximum(greatest, tilt), greatest)
                steep |= apart & ~use
        left = steep | (least > greatest)
        if bool(left.any()):
            guess = self.guess(op, x[left])
            low = torch.minimum(least[left], torch.minimum(guess.lower, guess.upper))
            high = torch.maximum(greatest[left], torch.maximum(guess.lower, guess.upper))
            least, greatest = least.masked_scatter(left, low), greatest.masked_scatter(left, high)
        return Slopes(least, least), Slopes(greatest, greatest)

    def guess(self, op: Op, x: Interval) -> Slopes:
        """Lines of least area are those that are tightest at the centre: on one piece the tangent there and the chord.
        Where pieces meet inside, of a few slopes the best."""
        tangent, sign = self._at_center(op, x)
        straight = chord(op.forward(x.lower), op.forward(x.upper), x)
        straight = torch.where(self.linear(op, x), tangent, straight).nan_to_num(0.0, 0.0, 0.0)
        tangent = tangent.nan_to_num(0.0, 0.0, 0.0)
        lower, upper = torch.where(sign > 0, tangent, straight), torch.where(sign > 0, straight, tangent)
        turns = self._turns(op, x)
        if bool(turns.any()):
            best = self._best(op, x[turns], [tangent[turns], straight[turns]])
            lower, upper = lower.masked_scatter(turns, best.lower), upper.masked_scatter(turns, best.upper)
        return Slopes(lower, upper)

    def _best(self, op: Op, x: Interval, candidates: list[Tensor]) -> Slopes:
        """Of these slopes and those of the hulls."""
        stack = torch.stack(candidates + [slope.nan_to_num(0.0, 0.0, 0.0) for slope in _hull_slopes(op, x)])
        least, greatest = self.gap(op, x, stack)
        below = (stack * x.center + least).nan_to_num(-torch.inf).argmax(0, keepdim=True)
        above = (stack * x.center + greatest).nan_to_num(torch.inf).argmin(0, keepdim=True)
        return Slopes(stack.gather(0, below)[0], stack.gather(0, above)[0])

    def linear(self, op: Op, x: Interval) -> Tensor:
        point = x.lower == x.upper
        for piece in pieces(op, x):
            if piece.linear:
                point = point | ((x.lower >= piece.lower) & (x.upper <= piece.upper))
        return point

    @staticmethod
    def _at_center(op: Op, x: Interval) -> tuple[Tensor, Tensor]:
        """The derivative at the centre, and the sign of the piece there."""
        center = x.center
        slope, sign = torch.zeros_like(center), torch.ones_like(center)
        for piece in _met(op, x):
            there = center >= piece.lower
            slope = torch.where(there, piece.derivative(center), slope)
            sign = torch.where(there, torch.as_tensor(piece.sign, dtype=sign.dtype, device=sign.device), sign)
        return slope, sign

    @staticmethod
    def _turns(op: Op, x: Interval) -> Tensor:
        """Does the interval hold an inner point where pieces meet?"""
        turns = torch.zeros_like(x.lower, dtype=torch.bool)
        for piece in _met(op, x):
            turns = turns | ((piece.upper > x.lower) & (piece.upper < x.upper))
        return turns


def _met(op: Op, x: Interval) -> list[Piece]:
    """The pieces that touch some of the intervals."""
    found = pieces(op, x)
    if len(found) == 1:
        return found
    return [p for p in found if bool(((x.upper >= p.lower) & (x.lower <= p.upper)).any())] or found[:1]


def _extremes(op: Op, piece: Piece, inside: Interval, slope: Tensor | None) -> tuple[Tensor, Tensor]:
    """Least and greatest value of `f - slope * x` on a part of the piece; without a slope of `f` itself.

    Where the function overflows its difference to a line is unknown. The tangent's point is a constant: the slope of
    what it bounds, as a function of `slope`, is minus the stationary point either way.
    """
    ends = [_less(op.forward(end), end, slope) for end in (inside.lower, inside.upper)]
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    if piece.linear:
        return low, high
    with torch.no_grad():
        point, height = _tangent(op, piece, inside, slope)
    bent = _less(height, point, slope)
    if not isinstance(piece.sign, Tensor):
        return (bent, high) if piece.sign > 0 else (low, bent)
    return torch.where(piece.sign > 0, bent, low), torch.where(piece.sign > 0, high, bent)


def _less(y: Tensor, x: Tensor, slope: Tensor | None) -> Tensor:
    return y if slope is None else y.nan_to_num(torch.nan, torch.nan, torch.nan) - slope * x


def _tangent(op: Op, piece: Piece, inside: Interval, slope: Tensor | None) -> tuple[Tensor, Tensor]:
    """A point of the piece, and `f` there less the most by which the tangent of `sign * (f - slope * x)` falls from it:
    on either side to the end, and by what the derivative may be wrong."""
    a, b, level = inside.lower, inside.upper, torch.zeros_like(inside.lower) if slope is None else slope
    guess = piece.stationary(level).to(a.dtype) if piece.stationary is not None else _search(piece, inside, level)
    point = torch.minimum(torch.maximum(guess, a), b)
    limit = torch.finfo(a.dtype).max / 4
    rise = piece.derivative(point).clamp(-limit, limit)
    tilt = piece.sign * (rise - level)
    off = ERROR * torch.finfo(a.dtype).eps * (rise.abs() + level.abs() + steepness(op)) + torch.finfo(a.dtype).tiny
    falls = torch.minimum((tilt + off) * (a - point), (tilt - off) * (b - point))
    return point, op.forward(point) + piece.sign * falls


def _search(piece: Piece, inside: Interval, slope: Tensor) -> Tensor:
    """Where the derivative is about `slope`, by bisection, then by secants that keep the bracket."""
    near, far = _finite(inside)
    for k in range(BISECTIONS + SECANTS):
        share: Tensor | float = 0.5
        if k >= BISECTIONS:
            first, last = (piece.sign * (piece.derivative(p) - slope) for p in (near, far))
            share = (-first / (last - first)).nan_to_num(0.5).clamp(0, 1)
        middle = near + share * (far - near)
        rising = piece.sign * (piece.derivative(middle) - slope) > 0
        near, far = torch.where(rising, near, middle), torch.where(rising, middle, far)
    return middle


def _overlap(piece: Piece, x: Interval) -> Interval:
    """The part of the interval that lies in the piece; an end of the interval where there is none."""
    if isinstance(piece.lower, float) and piece.lower == -torch.inf and piece.upper == torch.inf:
        return x
    low = torch.as_tensor(piece.lower, dtype=x.lower.dtype, device=x.lower.device)
    high = torch.as_tensor(piece.upper, dtype=x.lower.dtype, device=x.lower.device)
    return Interval(
        torch.minimum(torch.maximum(x.lower, low), x.upper), torch.minimum(torch.maximum(x.lower, high), x.upper)
    )


def _finite(x: Interval) -> tuple[Tensor, Tensor]:
    """The interval's ends, infinite ones replaced by distant ones."""
    lower = torch.where(x.lower.isfinite(), x.lower, x.upper.clamp(-FAR, 0) - FAR)
    return lower, torch.where(x.upper.isfinite(), x.upper, x.lower.clamp(0, FAR) + FAR)


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
