"""Softmax, one entry at a time: a share depends on how far the other arguments lie above its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.graph.op import Affine, Op

MAX_ROLLED = 2**20  # differences of one softmax; beyond that it is evaluated, but not bounded


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """`1 / (1 + sum(exp(d_j)))` along the last axis, which disappears.

    `whole` promises that the argument is all `Differences` of one tensor: shares along the output's last axis sum to 1.
    """

    whole: bool = False

    def forward(self, *args: Tensor) -> Tensor:
        own = torch.zeros_like(args[0][..., :1]) if args[0].shape[-1] else args[0].new_zeros(*args[0].shape[:-1], 1)
        return torch.softmax(torch.cat([own, args[0]], dim=-1), dim=-1)[..., 0]


@dataclass(frozen=True, eq=False)
class Differences(Affine):
    """`(*, n)` to `(*, n, n - 1)`: row `i` holds how far the entries after the `i`-th, in turn, lie above it."""

    def forward(self, *args: Tensor) -> Tensor:
        (x,) = args
        size = x.shape[-1]
        place = torch.arange(size, device=x.device)
        others = x[..., (place[:, None] + place[1:]) % size]
        return others - x.unsqueeze(-1)

    def abs(self) -> Affine:
        return _Sums()

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """Row `i` gives entry `i + k` what stands in column `k`, and takes all of it from its own."""
        return (_received(coefficient) - coefficient.sum(-1),)

    def entries(self, index: Tensor, shapes: Sequence[torch.Size], like: Tensor) -> tuple[Tensor, ...] | None:
        size = shapes[0][-1]
        row, place = index // (size - 1), index % (size - 1)
        other = row - row % size + (row + 1 + place) % size
        found = like.new_zeros((*index.shape, shapes[0].numel()))
        found = found.scatter(2, row.unsqueeze(2), -1.0).scatter(2, other.unsqueeze(2), 1.0)
        return (found.unflatten(2, shapes[0]),)

    def transport_grouped(
        self, coefficient: Tensor, slopes: Tensor, shapes: Sequence[torch.Size]
    ) -> tuple[Tensor, ...] | None:
        """Of each row of differences all that reaches an entry is a matrix, which all coefficients share."""
        size = slopes.shape[-2]
        place = torch.arange(size, device=slopes.device)
        moved = torch.cat([-slopes.sum(-1, keepdim=True), slopes], dim=-1)
        matrix = moved[..., place[:, None], (place - place[:, None]) % size]
        return (torch.einsum("YZ...i,Z...ij->YZ...j", coefficient, matrix),)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return 2 * out[-2]


class _Sums(Differences):
    def forward(self, *args: Tensor) -> Tensor:
        return super().forward(*args) + 2 * args[0].unsqueeze(-1)

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return (_received(coefficient) + coefficient.sum(-1),)


def _received(coefficient: Tensor) -> Tensor:
    """`(N, *, n, n - 1)` to `(N, *, n)`: the sum of what every entry has in the rows of the others."""
    size = coefficient.shape[-2]
    entry, back = torch.arange(size, device=coefficient.device), torch.arange(1, size, device=coefficient.device)
    row = (entry[:, None] - back) % size
    return coefficient[..., row, back - 1].sum(-1)
