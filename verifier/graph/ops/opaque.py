"""Ops that can be evaluated and differentiated, but not bounded yet."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Op


@dataclass(frozen=True, eq=False)
class Opaque(Op):
    """A function of tensors under the `name` that a user knows it by. How it meets our batch axis, subclasses say."""

    name: str
    function: Callable[..., Tensor]

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Pointwise(Opaque):
    """Acts entry by entry with numpy's broadcasting: sine, product, comparison ..."""

    def forward(self, *args: Tensor) -> Tensor:
        rank = max(a.dim() for a in args)
        return self.function(*(a.reshape(len(a), *(1,) * (rank - a.dim()), *a.shape[1:]) for a in args))


@dataclass(frozen=True, eq=False)
class Batchwise(Opaque):
    """Takes tensors with our batch axis in front, which it leaves alone: softmax, products of matrices ..."""

    def forward(self, *args: Tensor) -> Tensor:
        return self.function(*args)


@dataclass(frozen=True, eq=False)
class OneByOne(Opaque):
    """Takes tensors without our batch axis, called once per input: indexing by data and its like."""

    def forward(self, *args: Tensor) -> Tensor:
        count = max(len(a) for a in args)
        rows = zip(*(a.expand(count, *a.shape[1:]) for a in args), strict=True)
        return torch.stack([self.function(*row) for row in rows])
