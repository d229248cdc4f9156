"""The share of an entry in a softmax, `1 / S` with `S = 1 + sum(exp(x_j))` over how far the others lie above it.

Below, a tangent of the reciprocal meets chords of the exponentials; above, a chord of the reciprocal meets tangents of
the exponentials. The first is the lower bound "ER" of Wei et al. 2023 (Convex bounds on the softmax function), section
3, made linear. Its argument are differences: bounded by walks, they are much closer than those of two intervals.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.relaxation import Relaxation, Slopes


@dataclass(frozen=True, eq=False)
class Plane:
    """`slope . x + offset`; `slope (B, *, n)`, `offset (B, *)`."""

    slope: Tensor
    offset: Tensor


class SoftmaxRelaxation(Relaxation):
    """A plane below and one above are known, and the interval. So is every mixture of a plane and an end of the
    interval; of a slope that is none, what it lacks is bounded over the box."""

    conditions = "exact interval; planes are tightest where no argument varies much"

    def steepness(self, op: Op) -> float:
        """Numbers in a plane are at most `8 * sum(|x|)`, as `S` exceeds half the chords' sum."""
        return 8.0

    def codomain(self, op: Op) -> tuple[float, float]:
        return 0.0, 1.0

    def spread(self, coefficient: Tensor) -> Tensor:
        return coefficient.unsqueeze(-1)

    def image(self, op: Op, x: Interval) -> Interval:
        """A share falls with all differences."""
        return Interval(op.forward(x.upper), op.forward(x.lower))

    def range(self, op: Op, x: Interval) -> tuple[Slopes, Slopes]:
        """From level lines to the planes."""
        below, above = (p.slope.nan_to_num(0.0, 0.0, 0.0) for p in (_below(x), _above(x)))
        return Slopes(below.clamp(max=0), above.clamp(max=0)), Slopes(below.clamp(min=0), above.clamp(min=0))

    def gap(self, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        image = self.image(op, x)
        least = _least(_below(x), image.lower, slope, x)
        above = _above(x)
        greatest = -_least(Plane(-above.slope, -above.offset), -image.upper, -slope, x)
        return least, greatest

    def guess(self, op: Op, x: Interval) -> Slopes:
        """A plane, or a level line where that is tighter at the centre."""
        image, below, above = self.image(op, x), _below(x), _above(x)
        low = (below.slope * x.center).sum(-1) + below.offset
        high = (above.slope * x.center).sum(-1) + above.offset
        return Slopes(
            torch.where((low > image.lower).unsqueeze(-1), below.slope, 0.0),
            torch.where((high < image.upper).unsqueeze(-1), above.slope, 0.0),
        )

    def linear(self, op: Op, x: Interval) -> Tensor:
        """Where nothing varies."""
        return (x.lower == x.upper).all(-1, keepdim=True).expand_as(x.lower)


def _least(plane: Plane, end: Tensor, slope: Tensor, x: Interval) -> Tensor:
    """At most the least value of `f - slope . x`, for an `f` above the plane and above `end`, hence above every mixture
    of the two. Three mixtures are tried: the one next to the slope, and the two alone."""
    with torch.no_grad():
        size = plane.slope.square().sum(-1)
        nearest = ((plane.slope * slope).sum(-1) / size.clamp(min=torch.finfo(size.dtype).tiny)).clamp(0, 1)
    found = []
    for share in (nearest, torch.ones_like(nearest)):
        rest = share.unsqueeze(-1) * plane.slope - slope
        swing = torch.minimum(rest * x.lower, rest * x.upper).sum(-1)
        found.append(swing + share * plane.offset + (1 - share) * end)
    level = end - torch.maximum(slope * x.lower, slope * x.upper).sum(-1)
    return torch.fmax(torch.fmax(*found), level)


def _below(x: Interval) -> Plane:
    """Exponentials by chords, their sum then by a tangent of the reciprocal, where the plane is highest at the centre.

    A chord is moved up to lie above both ends, however its slope was rounded."""
    low, high = x.lower, x.upper
    first, last = low.exp(), high.exp()
    width = high - low
    rise = torch.where(width > 0, (last - first) / width.clamp(min=torch.finfo(width.dtype).tiny), 0.0)
    start = torch.maximum(first - rise * low, last - rise * high)
    at = 1 + (rise * x.center + start).sum(-1)
    at = torch.maximum(at, 1 + last.sum(-1) / 2)
    share = 1 / at
    weight = (share * share).unsqueeze(-1) * rise
    return Plane(-weight, share * (2 - share) - share * share * start.sum(-1))


def _above(x: Interval) -> Plane:
    """The reciprocal by its chord, moved up likewise; the exponentials by tangents at the centre."""
    low, high = x.lower, x.upper
    least, most = 1 + low.exp().sum(-1), 1 + high.exp().sum(-1)
    fall = 1 / (least * most)
    start = torch.maximum(1 / least + fall * least, 1 / most + fall * most)
    place = low / 2 + high / 2
    rise = place.exp()
    weight = fall.unsqueeze(-1) * rise
    return Plane(-weight, start - fall - (weight * (1 - place)).sum(-1))
