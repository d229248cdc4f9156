"""Shapes of common operators' results, without PyTorch's own: those import its compiler, which takes 1.7 seconds."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def blank(shape: tuple[int, ...] | torch.Size, like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta")


def same(x: Tensor, *rest: Any) -> Tensor:
    return blank(x.shape, x)


def broadcast(*args: Any) -> Tensor:
    tensors = [a for a in args if isinstance(a, Tensor)]
    return blank(torch.broadcast_shapes(*(t.shape for t in tensors)), tensors[0])


def truth(*args: Any) -> Tensor:
    return broadcast(*args).bool()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if x.shape[-1] != weight.shape[1] or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError(f"{tuple(x.shape)} and {tuple(weight.shape)} don't fit")
    return blank((*x.shape[:-1], weight.shape[0]), x)


def addmm(start: Tensor, a: Tensor, b: Tensor, *rest: Any) -> Tensor:
    return broadcast(start, a @ b)


def cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    kept = [t for t in tensors if tuple(t.shape) != (0,)]
    shape = list(kept[0].shape)
    shape[dim] = sum(t.shape[dim] for t in kept)
    return blank(tuple(shape), kept[0])


def stack(tensors: list[Tensor], dim: int = 0) -> Tensor:
    return cat([t.unsqueeze(dim) for t in tensors], dim)


def adaptive(x: Tensor, size: Any) -> Tensor:
    size = size if isinstance(size, list) else [size]
    return blank((*x.shape[: -len(size)], *size), x)


def mean(x: Tensor, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    return x.sum(dims, keepdim=keepdim) if dims else x.sum()


ONE = (
    "relu tanh leaky_relu clamp gelu neg exp log abs hardtanh relu6 layer_norm batch_norm elu silu sqrt erf floor ceil"
)
TWO = "add sub mul div rsub pow maximum minimum"
COMPARE = "gt ge lt le eq ne"

SHAPES: dict[str, Callable[..., Any]] = {
    **{f"{name}.default": same for name in ONE.split()},
    **{f"{name}.{kind}": broadcast for name in TWO.split() for kind in ("Tensor", "Scalar", "default")},
    **{f"{name}.{kind}": truth for name in COMPARE.split() for kind in ("Tensor", "Scalar")},
    "pow.Tensor_Scalar": broadcast,
    "where.self": lambda condition, a, b: blank(broadcast(condition, a, b).shape, a),
    "linear.default": linear,
    "addmm.default": addmm,
    "cat.default": cat,
    "stack.default": stack,
    "mean.dim": mean,
    "mean.default": lambda x, dtype: x.sum(),
    "adaptive_avg_pool2d.default": adaptive,
    "adaptive_avg_pool1d.default": adaptive,
}
"""From the operator's arguments, tensors without data among them, to such a tensor."""
