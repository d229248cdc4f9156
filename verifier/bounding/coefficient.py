"""Coefficients on their way backwards through a graph: for `S` rows and `B` inputs one number per entry of a node.

`Dense` holds them all. `Unit` is a row that starts at one entry, so that the first product is a look-up.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Affine
from verifier.numerics import flat, pair, shaped
from verifier.relaxations.relaxation import Lines, Relaxation, Slopes


class Coefficient(ABC):
    """A linear form `(S, B)` over a node of shape `*`. What has no short cut is done with all coefficients."""

    @abstractmethod
    def dense(self) -> Tensor:
        """All coefficients, `(S, B, *)`."""

    @abstractmethod
    def dot(self, x: Tensor) -> Tensor:
        """`sum(coefficient * x)` with `x (B, *)` or `(1, *)`: `(S, B)`."""

    @abstractmethod
    def magnitude_dot(self, x: Tensor) -> Tensor:
        """`sum(|coefficient| * x)`: `(S, B)`."""

    def reach(self, x: Tensor) -> Tensor:
        """At least `sum(|coefficient| * x)`, where that need not be exact."""
        return self.magnitude_dot(x)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple["Coefficient", ...]:
        """The forms over the op's arguments, offset left out."""
        return Dense(self.dense()).through(op, shapes)

    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple["Coefficient", Tensor]:
        """A form over the argument that lies below this one, and its constant `(S, B)`."""
        return Dense(self.dense()).relax(relaxation, lines)

    def plus(self, other: "Coefficient") -> "Coefficient":
        """The sum of two forms over the same node."""
        return Dense(self.dense()).plus(other)

    def with_negative(self) -> "Coefficient":
        """`2S` rows: these, then the same negated."""
        return Dense(self.dense()).with_negative()


@dataclass(frozen=True, eq=False)
class Dense(Coefficient):
    """`values (S, B, *)`."""

    values: Tensor

    def dense(self) -> Tensor:
        return self.values

    def dot(self, x: Tensor) -> Tensor:
        return contract(once(self.values), x)

    def magnitude_dot(self, x: Tensor) -> Tensor:
        return contract(once(self.values).abs(), x)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        parts = op.transport(self.values.flatten(0, 1), shapes)
        return tuple(Dense(part.unflatten(0, self.values.shape[:2])) for part in parts)

    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple[Coefficient, Tensor]:
        """`A f(x)` is least on the lower line where `A > 0`, on the upper one where `A < 0`."""
        values = once(self.values)
        down = values.clamp(max=0)
        constant = values.new_zeros(values.shape[:2])
        if lines.greatest is not None:
            constant = constant + contract(down, lines.greatest)
        if lines.least is not None:
            constant = constant + contract(values - down, lines.least)
        lower, upper = lines.slopes.lower, lines.slopes.upper
        if lower.dim() == upper.dim() == values.dim() < relaxation.spread(values).dim():
            return Grouped(values - down, down, lines.slopes), constant
        values = torch.addcmul(relaxation.spread(values) * lower, relaxation.spread(down), upper - lower)
        return Dense(values), constant

    def plus(self, other: Coefficient) -> Coefficient:
        return Dense(self.values + other.dense())

    def with_negative(self) -> Coefficient:
        values = once(self.values)
        return Dense(torch.cat([values, -values]).expand(-1, *self.values.shape[1:]))


@dataclass(frozen=True, eq=False)
class Grouped(Coefficient):
    """What the lines of functions of several entries make of coefficients: `positive * lower + negative * upper`, with
    parts `(S, B, *)` and slopes `(B, *, group)` that are not multiplied yet: often the next op adds most of it up."""

    positive: Tensor
    negative: Tensor
    slopes: Slopes

    def dense(self) -> Tensor:
        return torch.addcmul(
            self.positive.unsqueeze(-1) * self.slopes.lower, self.negative.unsqueeze(-1), self.slopes.upper
        )

    def dot(self, x: Tensor) -> Tensor:
        low, high = ((slope * x).sum(-1) for slope in (self.slopes.lower, self.slopes.upper))
        return contract(self.positive, low) + contract(self.negative, high)

    def magnitude_dot(self, x: Tensor) -> Tensor:
        low, high = ((slope.abs() * x).sum(-1) for slope in (self.slopes.lower, self.slopes.upper))
        return contract(self.positive, low) - contract(self.negative, high)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        below = op.transport_grouped(self.positive, self.slopes.lower, shapes)
        above = op.transport_grouped(self.negative, self.slopes.upper, shapes)
        if below is None or above is None:
            return super().through(op, shapes)
        return tuple(Dense(a + b) for a, b in zip(below, above, strict=True))


@dataclass(frozen=True, eq=False)
class Unit(Coefficient):
    """Row `s` of input `b` is entry `index[s, b]` of the flattened node `shape`."""

    index: Tensor
    shape: torch.Size
    like: Tensor  # of the dtype and on the device to compute with

    def dense(self) -> Tensor:
        entries = self.like.new_zeros((*self.index.shape, self.shape.numel()))
        return shaped(entries.scatter_(2, self.index.unsqueeze(2), 1.0), 2, self.shape)

    def dot(self, x: Tensor) -> Tensor:
        return flat(x, 1).expand(self.index.shape[1], -1).gather(1, self.index.T).T

    def magnitude_dot(self, x: Tensor) -> Tensor:
        return self.dot(x)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        parts = op.entries(self.index, shapes, self.like)
        return super().through(op, shapes) if parts is None else tuple(Dense(part) for part in parts)


def once(values: Tensor) -> Tensor:
    """`(S, B, *)` with a single entry for each axis of `*` along which one number is repeated."""
    for axis in range(2, values.dim()):
        if values.stride(axis) == 0 and values.shape[axis] > 1:
            values = values.narrow(axis, 0, 1)
    return values


def contract(a: Tensor, x: Tensor) -> Tensor:
    """`sum(a * x)` for `a (S, B, *)` and `x (B, *)`, `(1, *)` or `(S, B, *)`: `(S, B)`. A single entry along an axis of
    `a` stands for all."""
    if x.dim() == a.dim():
        return flat(a * x, 2).sum(2)
    alone = [axis - 1 for axis in range(2, a.dim()) if a.shape[axis] == 1 < x.shape[axis - 1]]
    return pair(flat(a, 2), flat(x.sum(alone, keepdim=True) if alone else x, 1))
