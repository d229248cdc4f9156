"""Parts of regions: boxes that a search cuts, clips and hands out, each belonging to one question."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from verifier.interval import Interval
from verifier.numerics import up

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
        lower, upper = self.lower.flatten(1), self.upper.flatten(1)
        middle = Interval(lower.gather(1, at), upper.gather(1, at)).center
        left = replace(self, upper=upper.scatter(1, at, middle).reshape(shape))
        right = replace(self, lower=lower.scatter(1, at, middle).reshape(shape))
        return left.joined(right)

    def clipped(self, base: Tensor, coefficient: Tensor, clause: Tensor) -> "Boxes":
        """Without the parts where linear bounds prove every open clause (Clip-and-Verify, 2025).

        Row `s` is at least `base + |coefficient_i| * t_i`, `t_i` from the end where it is least, so it can only be
        broken where `t_i <= -base / |coefficient_i|`. All rows of a clause must be broken there, and some open clause:
        inputs that none of them allows are cut off.

        Args:
            base: `(S, N)`.
            coefficient: `(S, N, *)`.
            clause: `(S,)`, the rows' clauses.
        """
        shape = self.lower.shape
        lower, upper, slope = self.lower.flatten(1), self.upper.flatten(1), coefficient.flatten(2)
        room = up((-base).clamp(min=0).unsqueeze(2) / slope.abs(), 2).nan_to_num(torch.inf)
        high = torch.where(slope > 0, torch.minimum(up(lower + room, 2), upper), upper)
        low = torch.where(slope < 0, torch.maximum(-up(room - upper, 2), lower), lower)
        hull_low, hull_high = upper, lower
        for k in range(self.open.shape[1]):
            mine, keep = clause == k, self.open[:, k].unsqueeze(1)
            hull_low = torch.where(keep, torch.minimum(hull_low, low[mine].amax(0)), hull_low)
            hull_high = torch.where(keep, torch.maximum(hull_high, high[mine].amin(0)), hull_high)
        return replace(self, lower=hull_low.reshape(shape), upper=hull_high.reshape(shape))

    @property
    def empty(self) -> Tensor:
        """`(N,)`: was all of it clipped?"""
        return (self.lower > self.upper).flatten(1).any(1)


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
