"""Maxima of several entries. Max pooling is a `Pick` of windows and this; a minimum is its mirror image."""

from dataclasses import dataclass

from torch import Tensor

from verifier.graph.op import Op


@dataclass(frozen=True, eq=False)
class Max(Op):
    """The greatest entry along the last axis, which disappears."""

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].amax(dim=-1)
