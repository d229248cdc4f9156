"""Elementwise nonlinearities. Here is what they compute; what bounds them stands in `verifier.relaxations`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.dense import batched


@dataclass(frozen=True, eq=False)
class Relu(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].relu()


@dataclass(frozen=True, eq=False)
class LeakyRelu(Op):
    """`x` where positive, else `slope * x`; `slope` broadcasts against `*`, so this is PReLU as well."""

    slope: Tensor

    def forward(self, *args: Tensor) -> Tensor:
        x = batched(args[0], self.slope.dim())
        return torch.where(x > 0, x, x * self.slope)


@dataclass(frozen=True, eq=False)
class Clip(Op):
    """`min(max(x, least), greatest)`; both broadcast against `*` and may be infinite."""

    least: Tensor
    greatest: Tensor

    def forward(self, *args: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(args[0], self.least), self.greatest)


@dataclass(frozen=True, eq=False)
class Abs(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].abs()


@dataclass(frozen=True, eq=False)
class Step(Op):
    """Level between its jumps, and exact: nothing is rounded."""


@dataclass(frozen=True, eq=False)
class Sign(Step):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sign()


@dataclass(frozen=True, eq=False)
class Floor(Step):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].floor()


@dataclass(frozen=True, eq=False)
class Ceil(Step):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].ceil()


@dataclass(frozen=True, eq=False)
class Trunc(Step):
    """Towards zero: a cast to an integer."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].trunc()


@dataclass(frozen=True, eq=False)
class Positive(Step):
    """One where `x > 0`, else zero: all comparisons are made of it and of `NonZero`."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sign().relu()


@dataclass(frozen=True, eq=False)
class NonZero(Step):
    """One where `x != 0`, else zero."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sign().abs()


@dataclass(frozen=True, eq=False)
class Round(Step):
    """To the nearest integer, ties to even."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].round()


@dataclass(frozen=True, eq=False)
class Wrap(Op):
    """A whole number as an integer of `bits` holds it: beyond its range the higher bits are lost."""

    bits: int
    signed: bool

    @property
    def least(self) -> float:
        return -(2.0 ** (self.bits - 1)) if self.signed else 0.0

    @property
    def greatest(self) -> float:
        """Of 64 bits one more, as float64 rounds it: no number of the type lies above."""
        return 2.0 ** (self.bits - self.signed) - 1

    def fits(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Where nothing between these is lost, `(B, *)`: whole numbers, so that ends may be rounded a little."""
        return (lower > self.least - 1) & (upper < self.greatest + 1)

    def forward(self, *args: Tensor) -> Tensor:
        size = 2.0**self.bits
        return args[0] - size * ((args[0] - self.least) / size).floor()


@dataclass(frozen=True, eq=False)
class Sigmoid(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sigmoid()


@dataclass(frozen=True, eq=False)
class Tanh(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].tanh()
