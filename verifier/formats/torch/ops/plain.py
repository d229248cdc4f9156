"""Operators that change no number, and those that only ask for a shape."""

from typing import Any

import torch
from torch import Tensor

from verifier.formats.torch.site import Lowering, Ref, Site, real, rows
from verifier.graph.ops.shape import Expand


def same(site: Site, x: Ref, *rest: Any) -> Ref:
    return x


def dropout(site: Site, x: Ref, probability: float, training: bool) -> Ref:
    if training and probability:
        site.refuse("it is active: the module is in training mode")
    return x


def cast(site: Site, x: Ref, *rest: Any) -> Ref:
    """Between single and double precision nothing changes on real numbers; anything else would round."""
    wanted = {r for r in rest if isinstance(r, torch.dtype)}
    if wanted - {torch.float32, torch.float64}:
        site.refuse(f"a cast to {', '.join(map(str, wanted))}")
    return Ref(x.node)


def type_as(site: Site, x: Ref, other: Any) -> Ref:
    return cast(site, x, *([other.dtype] if isinstance(other, Tensor) else []))


def size(site: Site, x: Ref, dim: int) -> int:
    return site.shape(x)[dim]


def copied(site: Site, x: Any, source: Any, non_blocking: bool = False) -> Any:
    """What `x` holds after `source` was written to it."""
    shape = site.shape(x)
    if isinstance(source, Ref):
        return source if site.shape(source) == shape else site.add(Expand(shape), source)
    return real(source).expand(shape)


def full(value: float | None) -> Lowering:
    """Constants with a shape that is taken from a tensor or stated; `value` None means the argument after the shape."""

    def lower(site: Site, x: Ref, *rest: Any) -> Tensor:
        shape, others = (rest[0], rest[1:]) if rest and isinstance(rest[0], list) else (site.shape(x), rest)
        return torch.full(tuple(shape), value if value is not None else float(others[0]), dtype=torch.float64)

    return lower


PLAIN: dict[str, Lowering] = {
    **rows(
        "clone.default detach.default detach_copy.default alias.default contiguous.default "
        "lift_fresh_copy.default lift_fresh.default positive.default resolve_conj.default",
        same,
    ),
    **rows("to.dtype to.dtype_layout to.device to.other _to_copy.default", cast),
    **rows("dropout.default feature_dropout.default alpha_dropout.default", dropout),
    "type_as.default": type_as,
    "copy.default": copied,
    "sym_size.int": size,
    **rows("zeros_like.default new_zeros.default zero.default", full(0)),
    **rows("ones_like.default new_ones.default", full(1)),
    **rows("full_like.default new_full.default fill.Scalar fill.Tensor", full(None)),
}
