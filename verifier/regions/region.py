"""Where inputs may be. A region knows its box, the least value of a linear form, and its points."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from verifier.interval import Interval


class Region(ABC):
    """A batch of `B` sets of inputs of node shape `*`.

    Proofs use sets that are rounded outwards (`box`, `minimum`), attacks sets that are rounded inwards (`contains`,
    `project`, `sample`), so that the two can't overlap by rounding.
    """

    @property
    @abstractmethod
    def batch(self) -> int:
        """`B`."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """`*`."""

    @abstractmethod
    def box(self) -> Interval:
        """The smallest box `(B, *)` that holds the region; float64 unless moved by `to`."""

    @abstractmethod
    def minimum(self, coefficient: Tensor) -> Tensor:
        """A lower bound, differentiable, of `sum(coefficient * x)` over the region: `(S, B, *)` to `(S, B)`.

        Exact up to rounding where the region is a box or a ball; the caller accounts for rounding with `scale`.
        """

    @abstractmethod
    def scale(self) -> Tensor:
        """`(B, *)`: magnitudes `m` such that rounding in `minimum` is below `gamma(n) * sum(|coefficient| * m)`."""

    @abstractmethod
    def minimiser(self, coefficient: Tensor) -> Tensor:
        """A point near where `sum(coefficient * x)` is least: `(B, *)` to `(B, *)`."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """A nearby point that `contains` accepts wherever the dtype of `x` has one: `(B, *)` to `(B, *)`."""

    @abstractmethod
    def contains(self, x: Tensor) -> Tensor:
        """`(B, *)` to `(B,)`: is the point surely inside? No tolerance; doubt says no."""

    @abstractmethod
    def sample(self, generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """One random point each, `(B, *)`."""

    @abstractmethod
    def select(self, index: Tensor) -> Self:
        """The regions at `index (N,)` along the batch."""

    @abstractmethod
    def reshape(self, shape: Sequence[int]) -> Self:
        """The same regions of inputs of another node shape `*` with as many entries."""

    @abstractmethod
    def to(self, dtype: torch.dtype, device: torch.device | str) -> Self:
        """The region for computing in `dtype` on `device`, rounded outwards."""


def trial_points(region: Region, count: int, seed: int = 0) -> Tensor:
    """`count` points `(count, *)` float32 of the first regions, one after the other: first a lowest corner
    and a highest one, where what few inputs show is most likely, then random ones."""
    place = torch.arange(count) % region.batch
    chosen = region.select(place)
    box, points = chosen.box(), chosen.sample(torch.Generator().manual_seed(seed), torch.float64)
    points[0] = box.lower[0]
    points[1:2] = box.upper[1:2]
    return chosen.project(points.float())
