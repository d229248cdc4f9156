"""Affine ops of the graph, written once more in numpy: images, images of absolute values, and transposes.

Entries of a node are flattened: `(N, n)`. An op's `Map` has the linear part as `forward` and `transpose`, and the
constant part as `offset`. Ops that move entries are all one kind: for each entry of the output the place that it came
from, found by moving the numbers of places.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np

from verifier.certificates.conv import convolution
from verifier.certificates.crops import SAME, Crop, Local
from verifier.certificates.matrix import matrix
from verifier.certificates.numbers import Array, Numbers
from verifier.errors import UnsupportedModel
from verifier.graph.op import Affine
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Constant, Contract, Linear, Multiply, Reduce, Scale, Shift, Sum
from verifier.graph.ops.shape import Concat, Expand, Gather, Pad, Pick, Reshape, Stack, Transpose
from verifier.graph.ops.softmax import Differences

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Map:
    """`x_1 .. x_k` to `forward(x_1 .. x_k) + offset`, each `(N, n)`; `absolute` takes absolute weights.

    `transpose` gives for `A (N, out)` the coefficients `(N, n)` of each argument, and `local` does so for a part of an
    image, where that comes from a part of each argument. `offset (out,)` may be None. An op that only `moves` entries
    rounds nothing.
    """

    forward: Callable[[Sequence[Array], bool], Array]
    transpose: Callable[[Array], tuple[Array, ...]]
    offset: Array | None = None
    local: Local | None = None
    moves: bool = False


def mapped(op: Affine, shapes: Sequence[Shape], out: Shape, numbers: Numbers) -> Map:
    """The map of one node whose arguments have `shapes`.

    Raises:
        UnsupportedModel: no rule for this op.
    """
    match op:
        case Constant():
            return Map(lambda xs, absolute: numbers.zeros((1, size(out))), lambda a: (), _flat(op.array, numbers))
        case Linear():
            bias = None if op.bias is None else np.broadcast_to(_numbers(op.bias, numbers), out).reshape(-1)
            return Map(*matrix(_numbers(op.weight, numbers)), bias)
        case Multiply():
            return _multiply(op, shapes[0], out, numbers)
        case Contract():
            return _contract(op, shapes[0], out, numbers)
        case Conv() | ConvTranspose():
            return Map(*convolution(op, shapes[0], out, _numbers(op.weight, numbers), _bias(op, out, numbers)))
        case Scale():
            own = _numbers(op.weight, numbers)
            if numbers.exact and op.divisor is not None:
                own = numbers.divide(numbers.array(np.ones(own.shape)), _numbers(op.divisor, numbers))
            weight = np.broadcast_to(own, out).reshape(-1)
            return _placed([_broadcast(shapes[0], out)], [weight], shapes, numbers)
        case Shift():
            offset = np.broadcast_to(_numbers(op.bias, numbers), out).reshape(-1)
            return _placed([_broadcast(shapes[0], out)], [1], shapes, numbers, offset)
        case Sum():
            return _placed([_broadcast(shape, out) for shape in shapes], list(op.signs), shapes, numbers)
        case Differences():
            return _differences(shapes[0], numbers)
        case Reduce():
            kept = tuple(1 if i in op.axes else n for i, n in enumerate(shapes[0]))
            back = _placed([_broadcast(kept, shapes[0])], [1], [kept], numbers)
            return Map(lambda xs, absolute: back.transpose(xs[0])[0], lambda a: (back.forward([a], False),))
        case Reshape() | Transpose() | Concat() | Stack() | Gather() | Pick() | Expand() | Pad():
            return _moved(op, shapes, numbers)
    raise UnsupportedModel(f"the checker has no rule for {op.label}")


def size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _numbers(tensor: object, numbers: Numbers) -> Array:
    return numbers.array(tensor.numpy())  # type: ignore[attr-defined]


def _flat(tensor: object, numbers: Numbers) -> Array:
    return _numbers(tensor, numbers).reshape(-1)


def _bias(op: Conv | ConvTranspose, out: Shape, numbers: Numbers) -> Array | None:
    if op.bias is None:
        return None
    bias = _numbers(op.bias, numbers).reshape(-1, *(1,) * (len(out) - 2))
    return np.broadcast_to(bias, out).reshape(-1)


def _multiply(op: Multiply, shape: Shape, out: Shape, numbers: Numbers) -> Map:
    """`weight @ x` or `x @ weight`, broadcast as numpy does."""
    weight = _numbers(op.weight, numbers)
    padded = (1,) * (weight.ndim - len(shape)) + shape

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        w, x = (np.abs(weight) if absolute else weight), xs[0].reshape(-1, *padded)
        return (w @ x if op.left else x @ w).reshape(len(x), -1)

    def transpose(a: Array) -> tuple[Array, ...]:
        w, a = np.swapaxes(weight, -1, -2), a.reshape(-1, *out)
        part = w @ a if op.left else a @ w
        axes = tuple(i + 1 for i, n in enumerate(padded) if n == 1 and part.shape[i + 1] != 1)
        return (part.sum(axes).reshape(len(a), -1),)

    return Map(forward, transpose)


def _contract(op: Contract, shape: Shape, out: Shape, numbers: Numbers) -> Map:
    """An Einstein sum; its transpose exchanges the argument and the result."""
    weight = _numbers(op.weight, numbers)
    left, result = op.equation.replace(" ", "").split("->")
    argument, constant = left.split(",")
    if not set(argument) <= set(result) | set(constant):
        raise UnsupportedModel(f"the checker has no rule for Contract {op.equation}: an axis is summed alone")

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        w = np.abs(weight) if absolute else weight
        return np.einsum(op.equation, xs[0].reshape(-1, *shape), w).reshape(len(xs[0]), -1)

    def transpose(a: Array) -> tuple[Array, ...]:
        part = np.einsum(f"{result},{constant}->{argument}", a.reshape(-1, *out), weight)
        return (part.reshape(len(a), -1),)

    return Map(forward, transpose)


def _differences(shape: Shape, numbers: Numbers) -> Map:
    """How far the entries after the `i`-th of the last axis, in turn, lie above it: `(*, n)` to `(*, n, n - 1)`."""
    entry, places = np.arange(shape[-1]), np.arange(size(shape)).reshape(shape)
    above = places[..., (entry[:, None] + entry[1:]) % shape[-1]]
    other, own = (
        _Gather(at.reshape(-1), size(shape), numbers) for at in (above, np.broadcast_to(places[..., None], above.shape))
    )

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        return other(xs[0]) + own(xs[0]) if absolute else other(xs[0]) - own(xs[0])

    return Map(forward, lambda a: (other.back(a) - own.back(a),))


def _broadcast(shape: Shape, out: Shape) -> Array:
    """The places of an argument of `shape` in the output, as numpy broadcasts."""
    return np.broadcast_to(np.arange(size(shape)).reshape(shape), out).reshape(-1)


def _moved(op: Affine, shapes: Sequence[Shape], numbers: Numbers) -> Map:
    """Places count through all arguments; each argument takes those that are its own."""
    starts = [0, *accumulate(size(shape) for shape in shapes)]
    places = _places(op, [np.arange(size(s)).reshape(s) + first for s, first in zip(shapes, starts, strict=False)])
    places = places.reshape(-1)
    own = [np.where((places >= first) & (places < last), places - first, -1) for first, last in pairwise(starts)]
    offset = None
    if isinstance(op, Pad) and op.fill != 0:
        offset = np.where(places < 0, numbers.array(np.array(op.fill)), numbers.zeros((1,)))
    return replace(_placed(own, [1] * len(own), shapes, numbers, offset), local=None, moves=True)


def _places(op: Affine, places: Sequence[Array]) -> Array:
    """The op itself, on numbers of places; -1 where nothing is read."""
    match op:
        case Reshape():
            return places[0].reshape(op.shape)
        case Transpose():
            return places[0].transpose(op.permutation)
        case Concat():
            return np.concatenate(places, axis=op.axis)
        case Stack():
            return np.stack(np.broadcast_arrays(*places), axis=-1)
        case Gather():
            return np.take(places[0], op.index.numpy(), axis=op.axis)
        case Pick():
            return places[0].reshape(-1)[op.index.numpy()]
        case Expand():
            return np.broadcast_to(places[0], op.shape)
        case Pad():
            sizes = zip(places[0].shape, op.pads, strict=True)
            cropped = places[0][tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in sizes)]
            return np.pad(cropped, [(max(0, a), max(0, b)) for a, b in op.pads], constant_values=-1)
    raise UnsupportedModel(f"the checker has no rule for {op.label}")


def _placed(
    places: Sequence[Array], weights: Sequence, shapes: Sequence[Shape], numbers: Numbers, offset: Array | None = None
) -> Map:
    """Entry `i` of the output is `sum_k weight_k[i] * x_k[place_k[i]]`, without the terms whose place is -1."""
    gathers = [_Gather(place, size(shape), numbers) for place, shape in zip(places, shapes, strict=True)]

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        parts = [_times(g(x), np.abs(w) if absolute else w) for g, x, w in zip(gathers, xs, weights, strict=True)]
        return sum(parts[1:], parts[0])

    def transpose(a: Array) -> tuple[Array, ...]:
        return tuple(g.back(_times(a, w)) for g, w in zip(gathers, weights, strict=True))

    def back(a: Array, crop: Crop) -> tuple[Array, ...]:
        own = (w if isinstance(w, int) else crop.cut(w) for w in weights)
        return tuple(SAME.back(_times(a, w), crop)[0] for w in own)

    alike = all(gather.nothing for gather in gathers)
    return Map(forward, transpose, offset, Local(SAME.met, back) if alike else None)


def _times(x: Array, weight: Array | int) -> Array:
    return x if isinstance(weight, int) and weight == 1 else x * weight


class _Gather:
    """`(N, n) -> (N, m)` by places, and its transpose, which adds up what came from the same place."""

    def __init__(self, places: Array, count: int, numbers: Numbers) -> None:
        self.count, self.numbers = count, numbers
        self.read = np.flatnonzero(places >= 0)
        self.all = len(self.read) == len(places)
        self.places, self.length = places[self.read], len(places)
        self.nothing = self.length == count and np.array_equal(self.places, np.arange(count))  # no entry moves
        self.order = np.argsort(self.places, kind="stable")
        self.targets, self.firsts = np.unique(self.places[self.order], return_index=True)
        self.once = len(self.targets) == len(self.places)

    def __call__(self, x: Array) -> Array:
        if self.nothing:
            return x
        if self.all:
            return x[:, self.places]
        out = self.numbers.zeros((len(x), self.length))
        out[:, self.read] = x[:, self.places]
        return out

    def back(self, a: Array) -> Array:
        if self.nothing:
            return a
        out = self.numbers.zeros((len(a), self.count))
        if self.once:
            out[:, self.places] = a[:, self.read]
        elif len(self.targets):
            out[:, self.targets] = np.add.reduceat(a[:, self.read[self.order]], self.firsts, axis=1)
        return out
