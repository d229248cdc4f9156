"""Affine ops on dense tensors: constants, matrix products, scaling, shifts and sums."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from verifier.graph.op import Affine

LARGE, SPARSE = 2**16, 0.02  # entries, and the share of them that differs from zero, of a weight that counts as sparse


@dataclass(frozen=True, eq=False)
class Constant(Affine):
    """No argument: `array (*shape)` for every input, up to an `error (*shape)` where it is known only so well."""

    array: Tensor
    error: Tensor | None = None
    moves: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return self.array.unsqueeze(0)

    def abs(self) -> "Constant":
        return Constant(torch.zeros_like(self.array))


@dataclass(frozen=True, eq=False)
class Linear(Affine):
    """`x (..., in) -> x W' + b (..., out)` on the last axis, with `weight (out, in)` and `bias (out)`.

    A large weight of mostly zeros (networks that compute minima and maxima by differences have them) is multiplied as a
    sparse one: tllverifybench's N=40 took 30 times as long without.
    """

    weight: Tensor
    bias: Tensor | None = None

    def forward(self, *args: Tensor) -> Tensor:
        if self._sparse is None:
            return torch.nn.functional.linear(args[0], self.weight, self.bias)
        return self.linear(*args) if self.bias is None else self.linear(*args) + self.bias

    def linear(self, *args: Tensor) -> Tensor:
        return args[0] @ self.weight.T if self._sparse is None else _product(self._sparse[0], args[0])

    def abs(self) -> "Linear":
        return Linear(self.weight.abs())

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return max(self.weight.shape)

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        if self._sparse is None:
            return (coefficient @ self.weight,)
        return (_product(self._sparse[1], coefficient),)

    def entries(self, index: Tensor, shapes: Sequence[torch.Size], like: Tensor) -> tuple[Tensor, ...] | None:
        """Rows of the weight, of a single vector."""
        if shapes[0].numel() != self.weight.shape[1]:
            return None
        return (self.weight[index].unflatten(2, shapes[0]),)

    @cached_property
    def _sparse(self) -> tuple[Tensor, Tensor] | None:
        """The weight and its transpose, where that is worth it."""
        if self.weight.numel() < LARGE or self.weight.count_nonzero() > SPARSE * self.weight.numel():
            return None
        row, column = self.weight.nonzero(as_tuple=True)
        value = self.weight[row, column]
        m, n = self.weight.shape
        return _rows(row, column, value, m, n), _rows(column, row, value, n, m)


def _rows(row: Tensor, column: Tensor, value: Tensor, count: int, width: int) -> Tensor:
    """A sparse matrix `(count, width)` from its entries; from a dense one torch takes six times as long."""
    order = row.argsort(stable=True)
    ends = torch.bincount(row, minlength=count).cumsum(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that torch's sparse matrices are new
        return torch.sparse_csr_tensor(
            torch.cat([ends.new_zeros(1), ends]), column[order], value[order], (count, width)
        )


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """`x (..., n)` times the transpose of a sparse `matrix (m, n)`: `(..., m)`."""
    return torch.sparse.mm(matrix, x.reshape(-1, x.shape[-1]).T).T.reshape(*x.shape[:-1], matrix.shape[0])


@dataclass(frozen=True, eq=False)
class Multiply(Affine):
    """Matrix product with a constant of at least two axes: `weight @ x` from the `left`, else `x @ weight`."""

    weight: Tensor
    left: bool

    def forward(self, *args: Tensor) -> Tensor:
        x = batched(args[0], self.weight.dim())
        return self.weight @ x if self.left else x @ self.weight

    def abs(self) -> "Multiply":
        return Multiply(self.weight.abs(), self.left)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return self.weight.numel() + out.numel()  # generous: transposed, broadcast axes are summed as well


@dataclass(frozen=True, eq=False)
class Contract(Affine):
    """Einstein sum with one constant: `equation` names the axes of the argument, our batch axis first, then its own."""

    equation: str
    weight: Tensor

    def forward(self, *args: Tensor) -> Tensor:
        return torch.einsum(self.equation, args[0], self.weight)

    def abs(self) -> "Contract":
        return replace(self, weight=self.weight.abs())

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return shapes[0].numel() + out.numel()  # generous, as for `Multiply`


@dataclass(frozen=True, eq=False)
class Scale(Affine):
    """`x * weight`, entry by entry; `weight` broadcasts against `*`. Of a division it is rounded, and `divisor` holds
    the file's own number."""

    weight: Tensor
    divisor: Tensor | None = None
    diagonal: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return batched(args[0], self.weight.dim()) * self.weight

    def abs(self) -> "Scale":
        return Scale(self.weight.abs())

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return (unbroadcast(coefficient * self.weight, shapes[0]),)


@dataclass(frozen=True, eq=False)
class Shift(Affine):
    """`x + bias`; `bias` broadcasts against `*`."""

    bias: Tensor
    diagonal: ClassVar[bool] = True

    def forward(self, *args: Tensor) -> Tensor:
        return batched(args[0], self.bias.dim()) + self.bias

    def linear(self, *args: Tensor) -> Tensor:
        """The argument itself, unless the bias makes it larger."""
        x = batched(args[0], self.bias.dim())
        return x.expand(len(x), *(x[:0] + self.bias).shape[1:])

    def abs(self) -> "Shift":
        return Shift(torch.zeros_like(self.bias))

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return (unbroadcast(coefficient, shapes[0]),)


@dataclass(frozen=True, eq=False)
class Sum(Affine):
    """`sum(sign * x)` over the arguments, broadcast against each other; each sign is 1 or -1."""

    signs: tuple[int, ...]

    def forward(self, *args: Tensor) -> Tensor:
        rank = max(a.dim() for a in args) - 1
        total = batched(args[0], rank) if self.signs[0] > 0 else -batched(args[0], rank)
        for sign, a in zip(self.signs[1:], args[1:], strict=True):
            total = torch.add(total, batched(a, rank), alpha=sign)
        return total

    def abs(self) -> "Sum":
        return Sum((1,) * len(self.signs))

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        return tuple(
            unbroadcast(coefficient if sign > 0 else -coefficient, shape)
            for sign, shape in zip(self.signs, shapes, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Reduce(Affine):
    """Sum over `axes` of `*` (counted without our batch axis); a mean is this and a `Scale`."""

    axes: tuple[int, ...]
    keepdim: bool

    def forward(self, *args: Tensor) -> Tensor:
        return args[0].sum(dim=[a + 1 for a in self.axes], keepdim=self.keepdim) if self.axes else args[0]

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """Derived, it would make copies of each coefficient; whoever sees that they are the same may spare himself
        work."""
        kept = [1 if axis in self.axes else size for axis, size in enumerate(shapes[0])]
        return (coefficient.reshape(-1, *kept).expand(-1, *shapes[0]),)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        return shapes[0].numel() // max(out.numel(), 1)


def batched(x: Tensor, rank: int) -> Tensor:
    """`x (B, *)` with unit axes behind `B`, so that `*` has at least `rank` axes and broadcasts as in numpy."""
    missing = rank - (x.dim() - 1)
    return x.reshape(len(x), *(1,) * missing, *x.shape[1:]) if missing > 0 else x


def unbroadcast(coefficient: Tensor, shape: Sequence[int]) -> Tensor:
    """Transpose of broadcasting `(N, *shape)` to the coefficient's shape: broadcast axes are summed."""
    if coefficient.shape[1:] == tuple(shape):
        return coefficient
    padded = (1,) * (coefficient.dim() - 1 - len(shape)) + tuple(shape)
    axes = [i + 1 for i, n in enumerate(padded) if n == 1 and coefficient.shape[i + 1] != 1]
    return (
        coefficient.sum(dim=axes, keepdim=True).reshape(len(coefficient), *shape)
        if axes
        else coefficient.reshape(len(coefficient), *shape)
    )
