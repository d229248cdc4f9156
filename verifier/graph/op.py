"""The two contracts. An affine op is only its `forward`; a nonlinearity is only its sound gap.

Every op maps tensors with a leading batch axis, `(B, *in) -> (B, *out)`, and treats the batch's entries independently.
`*` is the node's own shape exactly as the file has it, a batch axis of one included; we never guess what an axis means.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. Its parameters are its fields; tensors among them are float64, or integer where they index."""

    def forward(self, *args: Tensor) -> Tensor:
        """`(B, *in)` for every argument to `(B, *out)`."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The name that a user reads in messages."""
        return type(self).__name__

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Self:
        """The same op with its real parameters in `dtype`, and all of them on `device`."""

        def move(value: object) -> object:
            if not isinstance(value, Tensor):
                return value
            return value.to(device, dtype) if value.is_floating_point() else value.to(device)

        fields = {f.name: move(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return type(self)(**fields)


@dataclass(frozen=True, eq=False)
class Affine(Op):
    """An op that is affine in its arguments together. `forward` is all that it must state, with two remarks:

    `abs()` is the same op with absolute weights and no bias; `terms` bounds the length of the sums that compute it.
    `diagonal` promises: where output and argument have equally many entries, each entry of the output depends on an
    entry of its own of the only argument, so that the image of a box is a box. `moves` promises that every entry of the
    output is an entry of an argument or a parameter: nothing is rounded.
    """

    diagonal: ClassVar[bool] = False
    moves: ClassVar[bool] = False

    def abs(self) -> "Affine":
        """Absolute weights, no bias. The default suits ops whose weights are zeros and ones."""
        return self

    def linear(self, *args: Tensor) -> Tensor:
        """`forward` without its offset, `f(x) - f(0)`. Ops with a bias override it, to spare the difference."""
        offset = self.at_zero([a.shape[1:] for a in args], args[0])
        return self.forward(*args) - offset if bool(offset.any()) else self.forward(*args)

    def terms(self, shapes: Sequence[torch.Size], out: torch.Size) -> int:
        """Longest sum behind one entry, forwards or transposed; enters the rounding error. Shapes are without `B`."""
        return len(shapes) + max((out.numel() // max(s.numel(), 1) for s in shapes), default=0)

    def transport(self, coefficient: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """Coefficients of the output `(N, *out)` to those of each argument `(N, *in)`, with `sum(A * f(x))` kept.

        Derived: the gradient of `sum(A * f(x))`. Ops override it only where that measurably pays. Plain autograd, as
        the function transforms of torch import its compiler, which takes longer than most questions.
        """
        if not shapes:
            return ()
        count = len(coefficient)
        with torch.enable_grad():
            zeros = [coefficient.new_zeros((1, *s)).expand(count, *s).detach().requires_grad_() for s in shapes]
            out = self.forward(*zeros)
            total = (out * coefficient).sum()  # given apart, coefficients would make torch import sympy: 0.8 s
            return torch.autograd.grad(total, zeros, create_graph=coefficient.requires_grad)

    def entries(self, index: Tensor, shapes: Sequence[torch.Size], like: Tensor) -> tuple[Tensor, ...] | None:
        """`transport` of single entries of the output: those at `index (S, B)` of the flattened one, each with a
        coefficient of 1, as `(S, B, *in)` for each argument; None where that is best done by `transport`."""
        return None

    def transport_grouped(
        self, coefficient: Tensor, slopes: Tensor, shapes: Sequence[torch.Size]
    ) -> tuple[Tensor, ...] | None:
        """`transport` of `coefficient.unsqueeze(-1) * slopes` without that product, which has an axis more than both
        what it comes from and what becomes of it; None where nothing is gained.

        Args:
            coefficient: `(S, B, *)`, where `*` is `out` without its last axis; an axis may have a single entry, which
                stands for all.
            slopes: `(B, *out)`.

        Returns:
            `(S, B, *in)` for each argument.
        """
        return None

    def at_zero(self, shapes: Sequence[torch.Size], like: Tensor) -> Tensor:
        """The op's offset, `forward(0)`, of shape `(1, *out)`."""
        return self.forward(*(like.new_zeros((1, *shape)) for shape in shapes))


@dataclass(frozen=True, eq=False)
class Input(Op):
    """The place where the network's input enters."""

    shape: tuple[int, ...]

    def forward(self, *args: Tensor) -> Tensor:
        raise TypeError("an input has no forward")
