"""Products of two arguments, which a `Stack` joins along a last axis."""

from dataclasses import dataclass

from torch import Tensor

from verifier.graph.op import Op

MAX_PRODUCTS = 2**22  # of one product of matrices that both depend on the input; more are evaluated, but not bounded


@dataclass(frozen=True, eq=False)
class Product(Op):
    """The product of the two entries along the last axis, which disappears."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0][..., 0] * args[0][..., 1]
