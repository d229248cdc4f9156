"""Operators that only move entries. Where they do is asked from PyTorch itself, on shapes or on an array of places."""

import math
from typing import Any

import torch
from torch import Tensor

from verifier.formats.torch.aten import run
from verifier.formats.torch.site import Lowering, Ref, Site, rows
from verifier.graph.ops.shape import Concat, Expand, Gather, Pad, Pick, Reshape, Transpose


def reshaped(site: Site, x: Ref, shape: tuple[int, ...]) -> Ref:
    return x if shape == site.shape(x) else site.add(Reshape(shape), x)


def transposed(site: Site, x: Ref, permutation: tuple[int, ...]) -> Ref:
    return x if permutation == tuple(range(len(permutation))) else site.add(Transpose(permutation), x)


def gathered(site: Site, x: Ref, index: Tensor, axis: int) -> Ref:
    """`index (*I)` instead of the axis; nothing where that is the whole axis in order."""
    if index.dim() == 1 and torch.equal(index, torch.arange(site.shape(x)[axis])):
        return x
    return site.add(Gather(index, axis), x)


def on_meta(site: Site, x: Ref, rest: tuple[Any, ...]) -> Tensor:
    """The operator's result on a tensor without data, for its shape."""
    blank = [torch.empty(site.shape(r), device="meta") if isinstance(r, Ref) else r for r in rest]
    out: Tensor = run(site.target, (torch.empty(site.shape(x), device="meta"), *blank))
    return out


def reshape(site: Site, x: Ref, *rest: Any) -> Ref:
    return reshaped(site, x, tuple(on_meta(site, x, rest).shape))


def expand(site: Site, x: Ref, *rest: Any) -> Ref:
    shape = tuple(on_meta(site, x, rest).shape)
    return x if shape == site.shape(x) else site.add(Expand(shape), x)


def permute(site: Site, x: Ref, *rest: Any) -> Ref:
    """Strides of a tensor with two entries on each axis tell which axis went where."""
    rank = site.rank(x)
    strides = run(site.target, (torch.empty((2,) * rank, device="meta"), *rest)).stride()
    return transposed(site, x, tuple(rank - 1 - (stride.bit_length() - 1) for stride in strides))


def slices(site: Site, x: Ref, dim: int = 0, *rest: Any) -> Any:
    """select, slice, narrow: `x`, then an axis, then what to take from it."""
    axis = site.axis(x, dim)
    return gathered(site, x, run(site.target, (torch.arange(site.shape(x)[axis]), 0, *rest)), axis)


def parts(site: Site, x: Ref, sizes: Any, dim: int = 0) -> list[Ref]:
    """split, chunk: `x`, then the sizes, then an axis."""
    axis = site.axis(x, dim)
    pieces = run(site.target, (torch.arange(site.shape(x)[axis]), sizes, 0))
    return [gathered(site, x, piece, axis) for piece in pieces]


def unbind(site: Site, x: Ref, dim: int) -> list[Ref]:
    axis = site.axis(x, dim)
    return [gathered(site, x, torch.tensor(i), axis) for i in range(site.shape(x)[axis])]


def picked(site: Site, x: Ref, *rest: Any) -> Ref:
    """Any operator that moves entries to constant places: run it on the places."""
    if any(isinstance(r, Ref) for r in rest):
        site.refuse("its index depends on the input")
    shape = site.shape(x)
    places = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    return site.add(Pick(run(site.target, (places, *rest)).long()), x)


def index(site: Site, x: Ref, indices: list[Any]) -> Ref:
    """Indexing by tensors; a plain gather where there is one index."""
    if any(isinstance(i, Ref) for i in indices):
        site.refuse("its index depends on the input")
    given = [(axis, i) for axis, i in enumerate(indices) if i is not None]
    if len(given) == 1 and given[0][1].dtype != torch.bool:
        axis, places = given[0]
        return gathered(site, x, places.long() % site.shape(x)[axis], axis)
    return picked(site, x, indices)


def index_select(site: Site, x: Ref, dim: int, places: Any) -> Ref:
    if isinstance(places, Ref):
        site.refuse("its index depends on the input")
    return gathered(site, x, places.long().reshape(-1), site.axis(x, dim))


def cat(site: Site, tensors: list[Any], dim: int = 0) -> Ref:
    kept = [t for t in tensors if site.shape(t) != (0,)]  # PyTorch skips tensors of shape (0,) whatever the axis
    refs = [site.ref(t) for t in kept]
    return refs[0] if len(refs) == 1 else site.add(Concat(site.axis(refs[0], dim)), *refs)


def stack(site: Site, tensors: list[Any], dim: int = 0) -> Ref:
    refs = [site.ref(t) for t in tensors]
    shape = site.shape(refs[0])
    axis = dim % (len(shape) + 1)
    wide = [site.add(Reshape((*shape[:axis], 1, *shape[axis:])), r, part="part") for r in refs]
    return wide[0] if len(wide) == 1 else site.add(Concat(axis), *wide)


def scatter(site: Site, x: Any, source: Any, dim: int, places: Tensor) -> Ref:
    """`x` with the entries at `places` of an axis taken from `source`."""
    whole, part = site.ref(x), site.ref(source)
    axis = site.axis(whole, dim)
    size = site.shape(whole)[axis]
    order = torch.arange(size)
    order[places] = torch.arange(len(places)) + size
    return site.add(Gather(order, axis), site.add(Concat(axis), whole, part, part="both"))


def select_scatter(site: Site, x: Any, source: Any, dim: int, place: int) -> Ref:
    shape = list(site.shape(x))
    shape[dim] = 1
    row = reshaped(site, site.ref(source), tuple(shape))
    return scatter(site, x, row, dim, torch.tensor([place % site.shape(x)[dim]]))


def slice_scatter(site: Site, x: Any, source: Any, dim: int, start: Any, end: Any, step: int) -> Ref:
    return scatter(site, x, source, dim, torch.arange(site.shape(x)[dim])[slice(start, end, step)])


def constant_pad(site: Site, x: Ref, pad: list[int], value: Any = None) -> Ref:
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    pads = ((0, 0),) * (site.rank(x) - len(pairs)) + tuple(reversed(pairs))
    return x if not any(pad) else site.add(Pad(pads, float(value or 0)), x)


def pad(site: Site, x: Ref, pad: list[int], mode: str, value: Any) -> Ref:
    return constant_pad(site, x, pad, value) if mode == "constant" else picked(site, x, pad, mode, value)


SHAPE: dict[str, Lowering] = {
    **rows(
        "view.default reshape.default _unsafe_view.default flatten.using_ints unflatten.int "
        "squeeze.default squeeze.dim squeeze.dims unsqueeze.default ravel.default view_as.default "
        "reshape_as.default atleast_1d.default atleast_2d.default",
        reshape,
    ),
    **rows("expand.default expand_as.default broadcast_to.default", expand),
    **rows(
        "permute.default transpose.int t.default movedim.int movedim.intlist swapaxes.default "
        "swapdims.default numpy_T.default mT.default moveaxis.int moveaxis.intlist",
        permute,
    ),
    **rows("slice.Tensor select.int narrow.default", slices),
    **rows(
        "split.Tensor split.sizes split_with_sizes.default chunk.default tensor_split.sections "
        "tensor_split.indices unsafe_chunk.default unsafe_split.Tensor",
        parts,
    ),
    "unbind.int": unbind,
    **rows(
        "flip.default roll.default repeat.default tile.default pixel_shuffle.default "
        "pixel_unshuffle.default channel_shuffle.default unfold.default im2col.default diagonal.default "
        "gather.default reflection_pad1d.default reflection_pad2d.default replication_pad1d.default "
        "replication_pad2d.default repeat_interleave.self_int",
        picked,
    ),
    "index.Tensor": index,
    "index_select.default": index_select,
    **rows("cat.default concat.default concatenate.default", cat),
    "stack.default": stack,
    "select_scatter.default": select_scatter,
    "slice_scatter.default": slice_scatter,
    "constant_pad_nd.default": constant_pad,
    "pad.default": pad,
}
