"""Convolutions of the checker: one matrix product for each position in the kernel, forwards and transposed."""

from collections.abc import Callable, Sequence

import numpy as np

from verifier.certificates.crops import Crop, Local, Spans
from verifier.certificates.numbers import Array
from verifier.graph.ops.conv import Conv, ConvTranspose

Shape = tuple[int, ...]


def convolution(
    op: Conv | ConvTranspose, shape: Shape, out: Shape, weight: Array, bias: Array | None
) -> tuple[Callable[[Sequence[Array], bool], Array], Callable[[Array], tuple[Array, ...]], Array | None, Local | None]:
    """`forward`, `transpose`, `offset` and `local` of a convolution from `shape (N, C, *space)` to `out`.

    A transposed convolution is the transpose of the convolution with the same weight.
    """
    if isinstance(op, Conv):
        narrow, wide = out, shape
    else:
        narrow, wide = shape, out

    def gather(x: Array, w: Array) -> Array:
        """Every position of the kernel sees the wide side with a step: `(M, *wide) -> (M, *narrow)`."""
        x = _last(_framed(x.reshape(-1, *wide[1:]), op.padding, op, narrow))
        total = np.zeros((len(x), *narrow[2:], narrow[1]), dtype=x.dtype)
        for place, at in _positions(op, narrow[2:]):
            for c, o in _groups(op, wide[1], w):
                total[..., o] += _mixed(x[at][..., c], _at(w[o], place).T)
        return np.moveaxis(total, -1, 1)

    def scatter(a: Array, w: Array) -> Array:
        total = spread(_last(a.reshape(-1, *narrow[1:])), w, _frame(op, narrow, wide))
        inside = tuple(slice(p, p + n) for p, n in zip(op.padding, wide[2:], strict=True))
        return np.moveaxis(total[(slice(None), *inside)], -1, 1)

    def spread(a: Array, w: Array, frame: Sequence[int]) -> Array:
        """The transpose: each position adds to what it saw, `(M, *space, O) -> (M, *frame, C)`."""
        total = np.zeros((len(a), *frame, wide[1]), dtype=a.dtype)
        for place, at in _positions(op, a.shape[1:-1]):
            for c, o in _groups(op, wide[1], w):
                total[at][..., c] += _mixed(a[..., o], _at(w[o], place))
        return total

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        w = np.abs(weight) if absolute else weight
        x = xs[0]
        return (gather(x, w) if isinstance(op, Conv) else scatter(x, w)).reshape(len(x), -1)

    def transpose(a: Array) -> tuple[Array, ...]:
        return ((scatter(a, weight) if isinstance(op, Conv) else gather(a, weight)).reshape(len(a), -1),)

    def met(spans: Spans) -> Spans:
        axes = zip(spans, op.stride, op.dilation, op.weight.shape[2:], op.padding, strict=True)
        return tuple((s * first - p, s * (last - 1) + d * (k - 1) + 1 - p) for (first, last), s, d, k, p in axes)

    def back(a: Array, crop: Crop) -> tuple[Array, ...]:
        assert crop.spans is not None
        frame = [last - first for first, last in met(crop.spans)]
        part = np.moveaxis(spread(_last(a.reshape(-1, *crop.sizes[1:])), weight, frame), -1, 1)
        return (part.reshape(-1, shape[0], *part.shape[1:]),)

    return forward, transpose, bias, Local(met, back) if isinstance(op, Conv) else None


def _at(w: Array, place: tuple[int, ...]) -> Array:
    """The kernel's matrix at one position: `(out, in)`."""
    for k in place:
        w = w[:, :, k]
    return w


def _last(x: Array) -> Array:
    """Channels last, so that one product mixes them everywhere: `(M, C, *space) -> (M, *space, C)`."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def _mixed(x: Array, w: Array) -> Array:
    """One product for all places: `(M, *space, in) -> (M, *space, out)`."""
    return (x.reshape(-1, x.shape[-1]) @ w).reshape(*x.shape[:-1], -1)


def _groups(op: Conv | ConvTranspose, channels: int, w: Array) -> list[tuple[slice, slice]]:
    """The channels of the wide side and of the weight's first axis that belong together."""
    c, o = channels // op.groups, len(w) // op.groups
    return [(slice(g * c, (g + 1) * c), slice(g * o, (g + 1) * o)) for g in range(op.groups)]


def _positions(op: Conv | ConvTranspose, space: Sequence[int]) -> list[tuple[tuple[int, ...], tuple]]:
    """Each position of the kernel, and the part of the framed wide side, channels last, that it sees from `space`."""
    found = []
    for place in np.ndindex(*op.weight.shape[2:]):
        axes = zip(place, op.dilation, op.stride, space, strict=True)
        at = tuple(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in axes)
        found.append((place, (slice(None), *at)))
    return found


def _frame(op: Conv | ConvTranspose, narrow: Shape, wide: Shape) -> list[int]:
    """How large the wide side is with its padding: at least as far as the kernel reaches."""
    axes = zip(narrow[2:], wide[2:], op.weight.shape[2:], op.dilation, op.stride, op.padding, strict=True)
    return [max(s * (n - 1) + d * (k - 1) + 1, m + 2 * p) for n, m, k, d, s, p in axes]


def _framed(x: Array, padding: Sequence[int], op: Conv | ConvTranspose, narrow: Shape) -> Array:
    """The wide side in a frame of zeros."""
    frame = _frame(op, narrow, (0, 0, *x.shape[2:]))
    around = [(p, f - p - n) for p, f, n in zip(padding, frame, x.shape[2:], strict=True)]
    return np.pad(x, [(0, 0), (0, 0), *around])
