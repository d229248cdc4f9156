"""A device that is not there: its tensors live on the CPU, but don't mix with those of the CPU, as on a GPU.

What runs on it puts every tensor where it belongs. What a real one computes differently, it can't show.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
LIBRARY = torch.library.Library("_", "IMPL")  # type: ignore[no-untyped-call]  # kept: what it holds ends with it
MOVES = ("aten::_to_copy", "aten::copy_", "aten::_copy_from")  # between devices
LOOKS = ("aten::index.Tensor", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")  # indices may be near


class Far(Tensor):
    """A tensor there."""

    raw: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw: Tensor) -> "Far":
        self = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=f"{NAME}:0",
        )
        self.raw = raw
        return self  # type: ignore[no-any-return]

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(op, *args, **(kwargs or {}))

    def tolist(self) -> Any:
        return self.raw.tolist()


def computed(op: Any, *args: Any, **options: Any) -> Any:
    """What the operator makes of tensors there; it refuses those of the CPU, but for numbers and indices."""
    name, given = op.name(), tree_leaves((args, options))
    strict = tree_leaves((args[0], *args[2:])) if name in LOOKS else () if name in MOVES else given
    target = options.get("device")
    there = any(isinstance(x, Far) for x in given) if target is None else torch.device(target).type == NAME
    if there and options.get("generator") is not None:
        raise RuntimeError(f"{name}: the generator is on the CPU")
    for x in strict:
        near = isinstance(x, Tensor) and not isinstance(x, Far) and x.dim() > 0
        if near:
            raise RuntimeError(f"{name}: a tensor {tuple(x.shape)} on the CPU among those on the device")
    if target is not None:
        options = {**options, "device": "cpu"}
    plain_args, plain_options = tree_map(lambda x: x.raw if isinstance(x, Far) else x, (args, options))
    found = op(*plain_args, **plain_options)
    if not there:
        return found
    same = {id(x.raw): x for x in given if isinstance(x, Far)}  # of operators that work in place

    def wrapped(y: Any) -> Any:
        known = same.get(id(y))
        return y if not isinstance(y, Tensor) else known if known is not None else Far(y)

    return tree_map(wrapped, found)


def register() -> None:
    """Make the device known to torch, for good, before it first asks for gradients: it counts devices then."""
    backend_registration._setup_privateuseone_for_python_backend(NAME)  # type: ignore[attr-defined]
    LIBRARY.fallback(computed, "PrivateUse1")  # type: ignore[no-untyped-call]


def usable(patch: pytest.MonkeyPatch) -> None:
    """What makes tensors of numbers can make them there."""

    def moving(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def made(data: Any, *, device: Any = None, **options: Any) -> Tensor:
            return make(data, **options) if device is None else make(data, **options).to(device)

        return made

    for name in ("tensor", "as_tensor"):
        patch.setattr(torch, name, moving(getattr(torch, name)))
