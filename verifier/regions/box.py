"""Boxes: L-infinity balls of any radius per sample and per feature, and whatever a query bounds coordinatewise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from verifier.errors import InputError
from verifier.interval import Interval
from verifier.numerics import down, enclose, flat, pair, up
from verifier.regions.region import Region


class Inner(Interval):
    """An interval that was rounded inwards and so may be empty: no point lies in it then."""

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True, eq=False)
class Box(Region):
    """`outer` is what a proof covers, `inner` what a witness must lie in; they differ by rounding at the most."""

    outer: Interval
    inner: Inner

    @property
    def batch(self) -> int:
        return len(self.outer.lower)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.outer.lower.shape[1:])

    def box(self) -> Interval:
        return self.outer

    def minimum(self, coefficient: Tensor) -> Tensor:
        a = flat(coefficient, 2)
        center, radius = flat(self.outer.center, 1), flat(self.outer.radius, 1)
        return pair(a, center) - pair(a.abs(), radius)

    def scale(self) -> Tensor:
        return self.outer.magnitude + 2 * self.outer.radius

    def minimiser(self, coefficient: Tensor) -> Tensor:
        return torch.where(coefficient > 0, self.inner.lower, self.inner.upper)

    def project(self, x: Tensor) -> Tensor:
        lower, upper = inward(self.inner, x.dtype)
        return torch.minimum(torch.maximum(x, lower), upper)

    def contains(self, x: Tensor) -> Tensor:
        x = x.double()
        return flat((x >= self.inner.lower) & (x <= self.inner.upper), 1).all(1)

    def sample(self, generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        lower, upper = inward(self.inner, dtype)
        share = torch.rand(lower.shape, generator=generator, dtype=dtype, device=lower.device)
        return torch.minimum(torch.maximum(lower * (1 - share) + upper * share, lower), upper)

    def select(self, index: Tensor) -> Self:
        return type(self)(self.outer[index], self.inner[index])

    def reshape(self, shape: Sequence[int]) -> Self:
        return type(self)(self.outer.reshape(shape), self.inner.reshape(shape))

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Self:
        inner = Inner(self.inner.lower.to(device), self.inner.upper.to(device))
        return type(self)(self.outer.to(dtype, device), inner)


def box(lower: Tensor, upper: Tensor) -> Box:
    """The box of all `x` with `lower <= x <= upper`, exactly these numbers; both `(B, *)`.

    Raises:
        InputError: shapes differ, an end is NaN or infinite, or a box is empty.
    """
    lower, upper = torch.as_tensor(lower).double(), torch.as_tensor(upper).double()
    if lower.shape != upper.shape:
        raise InputError(f"box: lower has shape {tuple(lower.shape)}, upper {tuple(upper.shape)}; they must be equal")
    if not (lower.isfinite().all() and upper.isfinite().all()):
        raise InputError("box: an end is NaN or infinite; every input needs finite bounds")
    if (lower > upper).any():
        where = (lower > upper).nonzero()[0].tolist()
        raise InputError(f"box: empty, lower > upper at index {where} (batch first)")
    return Box(Interval(lower, upper), Inner(lower, upper))


def linf(center: Tensor, radius: Tensor | float, lower: Tensor | float, upper: Tensor | float) -> Box:
    """All `x` with `|x - center| <= radius` in every coordinate and `lower <= x <= upper`.

    Args:
        center: `(B, *)`, any dtype, also an array; taken exactly.
        radius: in input units; a number, `(B,)` for one each, or anything of more axes that broadcasts to `(B, *)`.
        lower, upper: the valid input range; infinite where there is none.
    """
    center = torch.as_tensor(center).double()
    radius = spread(radius, center)
    if not (center.isfinite().all() and radius.isfinite().all() and (radius >= 0).all()):
        raise InputError("linf: centres must be finite, radii finite and at least 0")
    outer_lower, inner_lower = enclose(center, -radius)
    inner_upper, outer_upper = enclose(center, radius)
    least = torch.as_tensor(lower, dtype=torch.float64, device=center.device)
    most = torch.as_tensor(upper, dtype=torch.float64, device=center.device)
    if least.isnan().any() or most.isnan().any():
        raise InputError("linf: the valid range holds NaN; use infinity where there is no limit")
    outer = (torch.maximum(outer_lower, least), torch.minimum(outer_upper, most))
    inner = (torch.maximum(inner_lower, least), torch.minimum(inner_upper, most))
    if (outer[0] > outer[1]).any():
        raise InputError("linf: no valid input lies within the radius; is the valid range right for these images?")
    return Box(Interval(*outer), Inner(*inner))


def spread(radius: Tensor | float, center: Tensor) -> Tensor:
    """The radius of every coordinate, `(B, *)` float64."""
    radius = torch.as_tensor(radius, dtype=torch.float64, device=center.device)
    if radius.dim() == 1:
        radius = radius.reshape(-1, *(1,) * (center.dim() - 1))
    try:
        return radius.expand_as(center)
    except RuntimeError:
        raise InputError(
            f"a radius of shape {tuple(radius.shape)} does not fit {len(center)} inputs of shape "
            f"{tuple(center.shape[1:])}; give a number, one each, or a shape that broadcasts"
        ) from None


def inward(interval: Interval, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The ends in another dtype, moved inside: every number between them lies in the interval."""
    lower, upper = interval.lower.to(dtype), interval.upper.to(dtype)
    lower = torch.where(lower.double() < interval.lower, up(lower), lower)
    upper = torch.where(upper.double() > interval.upper, down(upper), upper)
    return lower, upper
