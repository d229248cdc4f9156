"""Intervals that travel: lower and upper bounds of a tensor, never silently wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from verifier.numerics import down, up

SINGLE = 2.0**-20  # relative; float32 rounds by 2^-24


@dataclass(frozen=True, eq=False)
class Interval:
    """`lower <= upper`, both `(B, *)`. NaN becomes the infinite side; crossed ends widen to hold both."""

    lower: Tensor
    upper: Tensor

    def __post_init__(self) -> None:
        lower, upper = self.lower.nan_to_num(-torch.inf, torch.inf, -torch.inf), self.upper
        upper = upper.nan_to_num(torch.inf, torch.inf, -torch.inf)
        object.__setattr__(self, "lower", torch.minimum(lower, upper))
        object.__setattr__(self, "upper", torch.maximum(lower, upper))

    @property
    def center(self) -> Tensor:
        return self.lower / 2 + self.upper / 2

    @property
    def radius(self) -> Tensor:
        """The distance from the rounded centre to the farther end, itself rounded to nearest."""
        center = self.center
        return torch.maximum(self.upper - center, center - self.lower)

    @property
    def magnitude(self) -> Tensor:
        """The largest absolute value inside."""
        return torch.maximum(self.upper.abs(), self.lower.abs())

    @property
    def varies(self) -> Tensor:
        """`(B, *)`: is the interval wider than a number and the float32 next to it? Only a matter of what to try."""
        return self.radius > SINGLE * self.magnitude

    def intersect(self, other: "Interval") -> "Interval":
        """What both allow. Where rounding makes sound bounds cross by a hair, the union of the hairs is kept."""
        return Interval(torch.maximum(self.lower, other.lower), torch.minimum(self.upper, other.upper))

    def to(self, dtype: torch.dtype, device: torch.device | str | None = None) -> "Interval":
        """In another dtype, rounded outwards."""
        device = self.lower.device if device is None else device
        lower, upper = self.lower.to(device, dtype), self.upper.to(device, dtype)
        lower = torch.where(lower.double() > self.lower.to(device).double(), down(lower), lower)
        upper = torch.where(upper.double() < self.upper.to(device).double(), up(upper), upper)
        return Interval(lower, upper)

    def joined(self, other: "Interval") -> "Interval":
        """The two batches behind each other."""
        return Interval(torch.cat([self.lower, other.lower]), torch.cat([self.upper, other.upper]))

    def reshape(self, shape: Sequence[int]) -> Self:
        """`(B, *)` in another shape `*`."""
        size = (len(self.lower), *shape)
        return type(self)(self.lower.reshape(size), self.upper.reshape(size))

    def __getitem__(self, index: object) -> Self:
        return type(self)(self.lower[index], self.upper[index])  # type: ignore[index]
