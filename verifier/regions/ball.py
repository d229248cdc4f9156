"""L2 and L1 balls within a valid input range. Their linear minima come from a dual: the multiplier is a guess, the
value a proof."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Generator, Tensor

from verifier.errors import InputError
from verifier.interval import Interval
from verifier.numerics import down, flat, gamma, pair, up
from verifier.regions.box import Inner, inward, linf, spread
from verifier.regions.region import Region

HAIR = 2.0**-32  # share of a ball's radius that a projection stays away from its surface, once it came out too far
FROZEN = 2.0**24  # times a coordinate's rounding: so wide a radius takes no share of the norm
ROUNDS = 8  # of the multiplier's iteration; more changes the third digit of a margin at most


@dataclass(frozen=True, eq=False)
class Ball(Region):
    """All `x` with `||(x - center) / radius||_p <= 1` in the box `outer`; all tensors `(B, *)`, radius in input units.

    A radius of zero freezes its coordinate.
    """

    center: Tensor
    radius: Tensor
    p: Literal[1, 2]
    outer: Interval
    inner: Inner

    @property
    def batch(self) -> int:
        return len(self.center)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.center.shape[1:])

    def box(self) -> Interval:
        return self.outer

    def minimum(self, coefficient: Tensor) -> Tensor:
        a = flat(coefficient, 2)
        center = flat(self.center, 1)
        b = a * flat(self.radius, 1)
        lower, upper = (flat(end, 1) for end in self._reach())
        multiplier = (self._multiplier1 if self.p == 1 else self._multiplier2)(b.detach(), lower, upper)
        offset = pair(a, center)
        dual = (self._dual1 if self.p == 1 else self._dual2)(b, multiplier, lower, upper)
        alone = torch.minimum(b * lower, b * upper).sum(2)  # the multiplier 0: where the box lies inside the ball
        return offset + torch.maximum(dual, alone)

    def scale(self) -> Tensor:
        return self.center.abs() + 4 * self.radius

    def minimiser(self, coefficient: Tensor) -> Tensor:
        b = flat(coefficient * self.radius, 1)
        if self.p == 2:
            step = b / b.norm(dim=1, keepdim=True).clamp(min=1e-30)
        else:
            step = torch.zeros_like(b).scatter(1, b.abs().argmax(1, keepdim=True), 1.0) * b.sign()
        return self.project(self.center - step.reshape_as(coefficient) * self.radius)

    def project(self, x: Tensor) -> Tensor:
        """Onto the ball, then the range. Rounding goes towards the centre; what the centre's own rounding costs, where
        it is no number of this dtype, is saved elsewhere until `contains` agrees."""
        lower, upper = inward(self.inner, x.dtype)
        center = self.center.to(x.dtype)
        x = torch.minimum(torch.maximum(x, lower), upper)
        z = flat((x - center).double() / self.radius.clamp(min=torch.finfo(torch.float64).tiny), 1)
        z = z / z.norm(dim=1, keepdim=True).clamp(min=1.0) if self.p == 2 else onto_simplex(z)
        moved = x
        for _ in range(4):
            moved = towards(self.center, self.center + z.reshape_as(x) * self.radius, x.dtype)
            moved = torch.minimum(torch.maximum(moved, lower), upper)
            norm = self.distance(moved.double()).unsqueeze(1)
            if (norm <= 1).all():
                break
            z = z * torch.where(norm > 1, 1 - 2 * (norm - 1) - HAIR, 1.0).clamp(min=0)
        return moved

    def contains(self, x: Tensor) -> Tensor:
        x = x.double()
        inside = flat((x >= self.inner.lower) & (x <= self.inner.upper), 1).all(1)
        return inside & (self.distance(x) <= 1)

    def distance(self, x: Tensor) -> Tensor:
        """`||(x - center) / radius||`, computed in float64 and rounded up by its error bound."""
        step, radius = flat(x - self.center, 1), flat(self.radius, 1)
        z = torch.where(step == 0, 0.0, step / radius)
        return z.norm(p=self.p, dim=1) * (1 + 2 * gamma(z.shape[1], torch.float64))

    def sample(self, generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        shape = self.center.shape
        z = torch.randn(shape, generator=generator, dtype=torch.float64, device=self.center.device)
        if self.p == 1:
            z = z.sign() * torch.empty_like(z).exponential_(generator=generator)
        share = torch.rand(len(z), 1, generator=generator, dtype=torch.float64, device=z.device)
        z = flat(z, 1) / flat(z, 1).norm(p=self.p, dim=1, keepdim=True) * share
        return self.project((self.center + z.reshape(shape) * self.radius).to(dtype))

    def select(self, index: Tensor) -> Self:
        return replace(
            self,
            center=self.center[index],
            radius=self.radius[index],
            outer=self.outer[index],
            inner=self.inner[index],
        )

    def reshape(self, shape: Sequence[int]) -> Self:
        size = (self.batch, *shape)
        return replace(
            self,
            center=self.center.reshape(size),
            radius=self.radius.reshape(size),
            outer=self.outer.reshape(shape),
            inner=self.inner.reshape(shape),
        )

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Self:
        """What rounding moves the centre is added to all radii in proportion, by the triangle inequality. A frozen
        coordinate has no proportion: the box alone holds it, its radius is a mere formality."""
        center, radius = self.center.to(device, dtype), self.radius.to(device)
        if dtype != torch.float64:
            lost = (self.center.to(device) - center.double()).abs()
            radius = torch.where(radius > 0, radius, lost * FROZEN * self.center[0].numel())
            share = flat(torch.where(lost > 0, lost / radius, 0.0), 1).norm(p=self.p, dim=1)
            radius = up((radius * (1 + share.reshape(-1, *(1,) * len(self.shape)))).to(dtype), 2)
            radius = torch.where((self.radius.to(device) > 0) | (lost > 0), radius, 0.0)
        radius = radius.to(dtype)
        inner = Inner(self.inner.lower.to(device), self.inner.upper.to(device))
        return replace(self, center=center, radius=radius, outer=self.outer.to(dtype, device), inner=inner)

    def _reach(self) -> tuple[Tensor, Tensor]:
        """How far `z = (x - center) / radius` can go in the box, rounded outwards."""
        safe = torch.where(self.radius > 0, self.radius, torch.ones_like(self.radius))
        lower = down((self.outer.lower - self.center) / safe, 4)
        upper = up((self.outer.upper - self.center) / safe, 4)
        return lower.clamp(-1, 1), upper.clamp(-1, 1)

    @staticmethod
    def _multiplier2(b: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """The best multiplier solves `||clip(-b / m)|| = 1`; the left side falls about as 1/m."""
        m = b.norm(dim=2, keepdim=True)
        for _ in range(ROUNDS):
            z = torch.minimum(torch.maximum(-b / m.clamp(min=1e-30), lower), upper)
            m = m * z.norm(dim=2, keepdim=True)
        return m.clamp(min=1e-30)

    @staticmethod
    def _dual2(b: Tensor, m: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """`min b z + m (z^2 - 1) / 2` over the box: below the minimum over the ball for any m >= 0."""
        z = torch.minimum(torch.maximum(-b / m, lower), upper)
        return (b * z + m * z * z / 2).sum(2) - m.squeeze(2) / 2

    @staticmethod
    def _multiplier1(b: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """A knapsack: the steepest coordinates go as far as they can until the budget of 1 is spent."""
        reach = torch.where(b > 0, -lower, upper.expand_as(b))
        size, order = b.abs().sort(dim=2, descending=True)
        spent = reach.clamp(min=0).gather(2, order).cumsum(2)
        last = (spent < 1).sum(2, keepdim=True)
        return torch.cat([size, torch.zeros_like(size[..., :1])], dim=2).gather(2, last)

    @staticmethod
    def _dual1(b: Tensor, m: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """`min b z + m (|z| - 1)` over the box: linear on both sides of zero, so least at an end or nearest zero."""
        middle = torch.minimum(torch.maximum(torch.zeros_like(lower), lower), upper)
        ends = [b * z + m * z.abs() for z in (lower, middle, upper)]
        return torch.minimum(torch.minimum(ends[0], ends[1]), ends[2]).sum(2) - m.squeeze(2)


def ball(
    center: Tensor, radius: Tensor | float, p: Literal[1, 2], lower: Tensor | float, upper: Tensor | float
) -> Ball:
    """The L1 or L2 ball of `radius` (input units, as for `linf`) within the valid range.

    Raises:
        InputError: as for `linf`, or no valid input lies in a ball: anything would be true of it.
    """
    if p not in (1, 2):
        raise InputError(f"ball: p is 1 or 2, not {p}; an L-infinity ball is a box, see linf")
    hull = linf(center, radius, lower, upper)
    center = torch.as_tensor(center).double()
    found = Ball(center, spread(radius, center), p, hull.outer, hull.inner)
    nearest = torch.minimum(torch.maximum(center, hull.outer.lower), hull.outer.upper)
    apart = (found.distance(nearest) > 1).nonzero().flatten()
    if len(apart):
        raise InputError(f"ball: no valid input lies within the radius of input {int(apart[0])}; is the range right?")
    return found


def towards(center: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` in another dtype, rounded towards `center` where it has the choice."""
    y = x.to(dtype)
    y = torch.where((y.double() > x) & (x > center), down(y), y)
    return torch.where((y.double() < x) & (x < center), up(y), y)


def onto_simplex(z: Tensor) -> Tensor:
    """`(B, n)` projected onto the L1 unit ball (Duchi et al. 2008, figure 1)."""
    size, _ = z.abs().sort(dim=1, descending=True)
    count = torch.arange(1, z.shape[1] + 1, device=z.device, dtype=z.dtype)
    excess = (size.cumsum(1) - 1) / count
    rank = (size > excess).sum(1, keepdim=True) - 1
    cut = excess.gather(1, rank.clamp(min=0)).clamp(min=0)
    return torch.where(z.abs().sum(1, keepdim=True) > 1, z.sign() * (z.abs() - cut).clamp(min=0), z)
