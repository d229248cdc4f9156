"""Products of two arguments, which a `Stack` joins along a last axis."""

from dataclasses import dataclass

from torch import Tensor

from verifier.graph.op import Op


@dataclass(frozen=True, eq=False)
class Product(Op):
    """The product of the two entries along the last axis, which disappears."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0][..., 0] * args[0][..., 1]
