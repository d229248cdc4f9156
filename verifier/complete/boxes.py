"""Parts of regions: boxes that a search cuts, clips and hands out, each belonging to one question."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from verifier.interval import Interval
from verifier.numerics import flat

PLAIN = ("owner", "lower", "upper", "open", "bound", "node")


@dataclass(frozen=True, eq=False)
class Boxes:
    """`N` boxes `lower`, `upper (N, *)` float64 of the questions `owner (N,)`; of `K` clauses `open (N, K)` are still
    to be proved there; `bound (N,)` is the parent's, `node (N,)` the number that a recorder gave, `known (N, *)` are
    the parent's intervals of nodes that are not linear there."""

    owner: Tensor
    lower: Tensor
    upper: Tensor
    open: Tensor
    bound: Tensor
    node: Tensor
    known: Mapping[str, Interval] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: Tensor) -> Self:
        plain = {name: getattr(self, name)[index] for name in PLAIN}
        return type(self)(**plain, known={name: interval[index] for name, interval in self.known.items()})

    def joined(self, other: "Boxes") -> "Boxes":
        """These, then the others; what only one side knows is forgotten."""
        if not len(self) or not len(other):
            return other if len(other) else self
        plain = {name: torch.cat([getattr(self, name), getattr(other, name)]) for name in PLAIN}
        both = self.known.keys() & other.known.keys()
        return Boxes(**plain, known={name: self.known[name].joined(other.known[name]) for name in both})

    @property
    def width(self) -> Tensor:
        return self.upper - self.lower

    def halves(self, axis: Tensor) -> "Boxes":
        """Each box cut in the middle of the input `axis (N,)`, counted in the flattened one: `2N` boxes."""
        shape, at = self.lower.shape, axis.unsqueeze(1)
        lower, upper = flat(self.lower, 1), flat(self.upper, 1)
        middle = Interval(lower.gather(1, at), upper.gather(1, at)).center
        left = replace(self, upper=upper.scatter(1, at, middle).reshape(shape))
        right = replace(self, lower=lower.scatter(1, at, middle).reshape(shape))
        return left.joined(right)

    @property
    def empty(self) -> Tensor:
        """`(N,)`: was all of it clipped?"""
        return flat(self.lower > self.upper, 1).any(1)


def whole(box: Interval, clauses: int) -> Boxes:
    """The boxes `(B, *)` of `B` questions, nothing proved yet."""
    lower, upper = box.lower.double(), box.upper.double()
    count = len(lower)
    return Boxes(
        torch.arange(count),
        lower,
        upper,
        torch.ones(count, clauses, dtype=torch.bool),
        torch.full((count,), -torch.inf, dtype=torch.float64),
        torch.arange(count),
    )
