"""Softmax, one entry at a time: every entry of the result has a row of its own that starts with its own argument."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.shape import Gather

MAX_ROLLED = 2**20  # entries of a rolled argument; beyond that a softmax is evaluated, but not bounded


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """The share of the first entry along the last axis, which disappears: `1 / sum(exp(x_j - x_0))`."""

    def forward(self, *args: Tensor) -> Tensor:
        return torch.softmax(args[0], dim=-1)[..., 0]


@dataclass(frozen=True, eq=False)
class Rolled(Gather):
    """`(*, n)` to `(*, n, n)`: row `i` holds all entries of the last axis, the `i`-th in front."""


def rolled(rank: int, size: int) -> Rolled:
    """For an argument with `rank` axes, the last of length `size`."""
    place = torch.arange(size)
    return Rolled((place[:, None] + place) % size, rank - 1)
