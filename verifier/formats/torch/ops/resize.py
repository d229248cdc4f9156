"""Resizing. Each axis on its own: nearest by a `Gather`, the others by the matrix that PyTorch itself applies."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from verifier.formats.torch.aten import run
from verifier.formats.torch.ops.dense import along
from verifier.formats.torch.ops.shape import gathered
from verifier.formats.torch.site import Lowering, Ref, Site
from verifier.graph.lower import axis_matrix


def targets(sizes: tuple[int, ...], wanted: Any, scales: Any) -> list[tuple[int, float | None]]:
    """New size and stated scale of every axis, from either."""
    if wanted is not None:
        return [(n, None) for n in wanted]
    return [(int(n * s), s) for n, s in zip(sizes, scales, strict=True)]


def nearest(kernel: str, space: int, packed: bool) -> Lowering:
    def lower(site: Site, x: Ref, wanted: Any, *scales: Any) -> Ref:
        def place(size: int, out: int, scale: float | None) -> Tensor:
            axis = torch.arange(size, dtype=torch.float64)[None, None]
            return run(kernel, (axis, [out], scale))[0, 0].long()

        return each_axis(site, x, space, wanted, scales, packed, lambda s, y, a, *to: gathered(s, y, place(*to), a))

    return lower


def interpolated(kernel: str, space: int, packed: bool) -> Lowering:
    def lower(site: Site, x: Ref, wanted: Any, corners: bool, *scales: Any) -> Ref:
        def matrix(size: int, out: int, scale: float | None) -> Tensor:
            site.room(size, max(size, out))

            def resize(rows: Tensor) -> Tensor:
                flat: Tensor = run(kernel, (rows[:, None, :, None], [out, 1], corners, scale, None))[:, 0, :, 0]
                return flat

            return axis_matrix(size, resize)

        return each_axis(site, x, space, wanted, scales, packed, lambda s, y, a, *to: along(s, y, a, matrix(*to)))

    return lower


def each_axis(site: Site, x: Ref, space: int, wanted: Any, scales: Any, packed: bool, step: Callable[..., Ref]) -> Ref:
    first = site.rank(x) - space
    sizes = site.shape(x)[first:]
    goals = targets(sizes, wanted, scales[0]) if packed else list(zip(wanted, scales, strict=True))
    for axis, (size, (out, scale)) in enumerate(zip(sizes, goals, strict=True)):
        x = step(site, x, first + axis, size, out, scale)
    return x


RESIZE: dict[str, Lowering] = {}
for variant, packed in (("vec", True), ("default", False)):
    for d in (1, 2, 3):
        RESIZE[f"upsample_nearest{d}d.{variant}"] = nearest("upsample_nearest1d.default", d, packed)
        RESIZE[f"_upsample_nearest_exact{d}d.{variant}"] = nearest("_upsample_nearest_exact1d.default", d, packed)
    for name, d in (("linear1d", 1), ("bilinear2d", 2), ("trilinear3d", 3)):
        RESIZE[f"upsample_{name}.{variant}"] = interpolated("upsample_bilinear2d.default", d, packed)
    RESIZE[f"upsample_bicubic2d.{variant}"] = interpolated("upsample_bicubic2d.default", 2, packed)
