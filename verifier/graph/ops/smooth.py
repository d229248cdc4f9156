"""Elementwise functions that bend: powers, exponentials, waves, and activations made of them.

Here is what they compute; where they are convex or concave stands in `verifier.relaxations.curves`.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from verifier.graph.op import Op


@dataclass(frozen=True, eq=False)
class Power(Op):
    """`x` to a constant exponent; squares, roots and reciprocals are computed as such."""

    exponent: float
    names: ClassVar[dict[float, str]] = {2.0: "Square", 0.5: "Sqrt", -1.0: "Reciprocal"}

    @property
    def label(self) -> str:
        return self.names.get(self.exponent, "Pow")

    def forward(self, *args: Tensor) -> Tensor:
        match self.exponent:
            case 2.0:
                return args[0].square()
            case 0.5:
                return args[0].sqrt()
            case -1.0:
                return args[0].reciprocal()
        return args[0].pow(self.exponent)


@dataclass(frozen=True, eq=False)
class Exponential(Op):
    """A constant base, positive and not 1, to the power `x`."""

    base: float

    def forward(self, *args: Tensor) -> Tensor:
        return torch.pow(self.base, args[0])


@dataclass(frozen=True, eq=False)
class Exp(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].exp()


@dataclass(frozen=True, eq=False)
class Log(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].log()


@dataclass(frozen=True, eq=False)
class Sin(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sin()


@dataclass(frozen=True, eq=False)
class Cos(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].cos()


@dataclass(frozen=True, eq=False)
class Asin(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].asin()


@dataclass(frozen=True, eq=False)
class Acos(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].acos()


@dataclass(frozen=True, eq=False)
class Atan(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].atan()


@dataclass(frozen=True, eq=False)
class Sinh(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sinh()


@dataclass(frozen=True, eq=False)
class Cosh(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].cosh()


@dataclass(frozen=True, eq=False)
class Asinh(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].asinh()


@dataclass(frozen=True, eq=False)
class Erf(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0].erf()


@dataclass(frozen=True, eq=False)
class Softplus(Op):
    """`log(1 + exp(x))` without overflow and, unlike torch's own, without a threshold."""

    def forward(self, *args: Tensor) -> Tensor:
        return torch.logaddexp(args[0], torch.zeros_like(args[0]))


@dataclass(frozen=True, eq=False)
class Softsign(Op):
    def forward(self, *args: Tensor) -> Tensor:
        return args[0] / (1 + args[0].abs())


@dataclass(frozen=True, eq=False)
class Elu(Op):
    """`scale * x` where positive, else `scale * alpha * (exp(x / width) - 1)`: ELU, SELU and CELU."""

    alpha: float
    scale: float = 1.0
    width: float = 1.0

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        below = self.alpha * torch.expm1(x.clamp(max=0) / self.width)
        return self.scale * torch.where(x > 0, x, below)


@dataclass(frozen=True, eq=False)
class Silu(Op):
    """`x * sigmoid(x)`; Swish with another factor is this between two scales."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0] * args[0].sigmoid()


@dataclass(frozen=True, eq=False)
class Gelu(Op):
    """`x` times the normal distribution (Hendrycks & Gimpel 2016)."""

    def forward(self, *args: Tensor) -> Tensor:
        return torch.nn.functional.gelu(args[0])


@dataclass(frozen=True, eq=False)
class GeluTanh(Op):
    """GELU with the distribution approximated by a tanh."""

    def forward(self, *args: Tensor) -> Tensor:
        return torch.nn.functional.gelu(args[0], approximate="tanh")


@dataclass(frozen=True, eq=False)
class Mish(Op):
    """`x * tanh(softplus(x))` (Misra 2019)."""

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        return x * torch.logaddexp(x, torch.zeros_like(x)).tanh()


@dataclass(frozen=True, eq=False)
class HardSwish(Op):
    """`x * clip(x / 6 + 1 / 2, 0, 1)` (Howard et al. 2019)."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0] * (args[0] / 6 + 0.5).clamp(0, 1)
