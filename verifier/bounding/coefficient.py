"""Coefficients on their way backwards through a graph: for `S` rows and `B` inputs one number per entry of a node.

`Dense` holds them all. `Unit` is a row that starts at one entry, so that the first product is a look-up.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Affine
from verifier.graph.ops.dense import Linear
from verifier.numerics import flat
from verifier.regions.box import pair
from verifier.relaxations.relaxation import Lines, Relaxation


class Coefficient(ABC):
    """A linear form `(S, B)` over a node of shape `*`."""

    @abstractmethod
    def dense(self) -> Tensor:
        """All coefficients, `(S, B, *)`."""

    @abstractmethod
    def dot(self, x: Tensor) -> Tensor:
        """`sum(coefficient * x)` with `x (B, *)` or `(1, *)`: `(S, B)`."""

    @abstractmethod
    def magnitude_dot(self, x: Tensor) -> Tensor:
        """`sum(|coefficient| * x)`: `(S, B)`."""

    @abstractmethod
    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple["Coefficient", ...]:
        """The forms over the op's arguments, offset left out."""

    @abstractmethod
    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple["Coefficient", Tensor]:
        """A form over the argument that lies below this one, and its constant `(S, B)`."""

    @abstractmethod
    def plus(self, other: "Coefficient") -> "Coefficient":
        """The sum of two forms over the same node."""

    @abstractmethod
    def with_negative(self) -> "Coefficient":
        """`2S` rows: these, then the same negated."""


@dataclass(frozen=True, eq=False)
class Dense(Coefficient):
    """`values (S, B, *)`."""

    values: Tensor

    def dense(self) -> Tensor:
        return self.values

    def dot(self, x: Tensor) -> Tensor:
        return pair(flat(self.values, 2), flat(x, 1))

    def magnitude_dot(self, x: Tensor) -> Tensor:
        return pair(flat(self.values.abs(), 2), flat(x, 1))

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        parts = op.transport(self.values.flatten(0, 1), shapes)
        return tuple(Dense(part.unflatten(0, self.values.shape[:2])) for part in parts)

    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple[Coefficient, Tensor]:
        """`A f(x)` is least on the lower line where `A > 0`, on the upper one where `A < 0`."""
        down = self.values.clamp(max=0)
        constant = self.values.new_zeros(self.values.shape[:2])
        if lines.greatest is not None:
            constant = constant + contract(down, lines.greatest)
        if lines.least is not None:
            constant = constant + contract(self.values - down, lines.least)
        lower, upper = lines.slopes.lower, lines.slopes.upper
        values = torch.addcmul(relaxation.spread(self.values) * lower, relaxation.spread(down), upper - lower)
        return Dense(values), constant

    def plus(self, other: Coefficient) -> Coefficient:
        return Dense(self.values + other.dense())

    def with_negative(self) -> Coefficient:
        return Dense(torch.cat([self.values, -self.values]))


@dataclass(frozen=True, eq=False)
class Unit(Coefficient):
    """Row `s` of input `b` is entry `index[s, b]` of the flattened node `shape`."""

    index: Tensor
    shape: torch.Size
    like: Tensor  # of the dtype and on the device to compute with

    def dense(self) -> Tensor:
        flat = self.like.new_zeros((*self.index.shape, self.shape.numel()))
        return flat.scatter_(2, self.index.unsqueeze(2), 1.0).unflatten(2, self.shape)

    def dot(self, x: Tensor) -> Tensor:
        return flat(x, 1).expand(self.index.shape[1], -1).gather(1, self.index.T).T

    def magnitude_dot(self, x: Tensor) -> Tensor:
        return self.dot(x)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        if isinstance(op, Linear) and self.shape.numel() == len(op.weight):
            return (Dense(op.weight[self.index].unflatten(2, shapes[0])),)
        return Dense(self.dense()).through(op, shapes)

    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple[Coefficient, Tensor]:
        return Dense(self.dense()).relax(relaxation, lines)

    def plus(self, other: Coefficient) -> Coefficient:
        return Dense(self.dense()).plus(other)

    def with_negative(self) -> Coefficient:
        return Dense(self.dense()).with_negative()


def contract(a: Tensor, x: Tensor) -> Tensor:
    """`sum(a * x)` for `a (S, B, *)` and `x (B, *)`, `(1, *)` or `(S, B, *)`: `(S, B)`."""
    if x.dim() == a.dim():
        return flat(a * x, 2).sum(2)
    return pair(flat(a, 2), flat(x, 1))
