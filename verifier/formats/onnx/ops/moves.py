"""Ops that pick entries at constant places. What an index does is found by doing it to an array of places."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle, whole
from verifier.formats.onnx.ops.computed import TakeAlong
from verifier.formats.onnx.ops.places import cut
from verifier.formats.onnx.ops.shape import permuted, reform
from verifier.formats.onnx.slicing import one_slice
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire
from verifier.graph.ops.activation import Wrap
from verifier.graph.ops.dense import Shift
from verifier.graph.ops.opaque import OneByOne
from verifier.graph.ops.shape import Gather, Pad, Pick, Reshape


def picked(call: Call, x: Tensorial, move: Callable[[np.ndarray], np.ndarray]) -> Tensorial:
    """`move(x)` for any function that only moves and repeats entries."""
    if isinstance(x, Const):
        return Const(move(x.array), x.type)
    places = move(np.arange(math.prod(x.shape)).reshape(x.shape))
    call.admit(places.shape)
    return call.add(Pick(torch.from_numpy(np.array(places, dtype=np.int64, order="C"))), x)


def gathered(call: Call, x: Tensorial, index: np.ndarray, axis: int) -> Tensorial:
    """Entries of one axis; a plain cut is kept as cheap as any."""
    if isinstance(x, Const):
        return Const(np.take(x.array, index, axis=axis), x.type)
    if index.ndim == 1 and np.array_equal(index, np.arange(x.shape[axis])):
        return x
    return call.add(Gather(torch.from_numpy(np.array(index, dtype=np.int64, order="C")), axis), x)


def valid(call: Call, index: np.ndarray, size: int) -> np.ndarray:
    """Indices counted from the front, refused where they lie outside."""
    index = np.asarray(index, dtype=np.int64)
    if index.size and (index.min() < -size or index.max() >= size):
        raise InvalidModel(f"node {call.name} ({call.node.op_type}): an index outside of an axis with {size} entries")
    return np.where(index < 0, index + size, index)


def gather(call: Call) -> Value:
    x, index = call.value(0), call.value(1)
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    call.admit((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))
    if isinstance(index, Const):
        return gathered(call, x, valid(call, index.array, x.shape[axis]), axis)
    return call.add(OneByOne("Gather", TakeAlong(axis)), x, index)


def slice_(call: Call) -> Value:
    x = call.value(0)
    if call.opset < 10:
        starts, ends = call.attr_ints("starts"), call.attr_ints("ends")
        axes, steps = call.attr_ints("axes", list(range(len(starts)))), [1] * len(starts)
    else:
        if isinstance(call.value(1), Wire):
            return moving_slice(call, x)
        starts, ends = call.integers(1, "starts"), call.integers(2, "ends")
        axes = list(range(len(starts))) if call.optional(3) is None else call.integers(3, "axes")
        steps = [1] * len(starts) if call.optional(4) is None else call.integers(4, "steps")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        where = call.axis(axis, len(x.shape))
        size = x.shape[where]
        x = gathered(call, x, np.arange(size)[one_slice(start, end, step, size)], where)
    return x


def moving_slice(call: Call, x: Tensorial) -> Value:
    """One axis is cut where the network says, at a known length: the end is the start and a constant."""
    start, end = call.wire(1), call.wire(2)
    (base, low), (other, high) = origin(call, start), origin(call, end)
    length = high - low
    steps = [1] if call.optional(4) is None else call.integers(4, "steps")
    axes = [0] if call.optional(3) is None else call.integers(3, "axes")
    if base != other or math.prod(start.shape) != 1 or steps != [1] or length < 1:
        raise Obstacle("its starts depend on the network's input, so the result has no fixed shape")
    axis = call.axis(axes[0], len(x.shape))
    call.context.notes.append(
        f"{call.name} cuts where the network says; beyond the end of its tensor there is no number"
    )
    return cut(call, x, start, axis, int(length))


def origin(call: Call, wire: Wire) -> tuple[str, float]:
    """The node behind reshapes and constant shifts, and the sum of the shifts. An end that wraps belongs to a start
    that is no place of any tensor."""
    name, total = wire.node, 0.0
    while name in call.context.made:
        op, args = call.context.made[name]
        if isinstance(op, Shift) and op.bias.numel() == 1:
            total += float(op.bias)
        elif not isinstance(op, Reshape | Wrap):
            break
        name = args[0]
    return name, total


def split(call: Call) -> Value | tuple[Value, ...]:
    x = call.value(0)
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    size, parts = x.shape[axis], len(call.outputs)
    if call.has("split"):
        sizes = call.attr_ints("split")
    elif call.optional(1) is not None:
        sizes = call.integers(1, "split")
    else:
        parts = call.attr_int("num_outputs", parts)
        chunk = -(-size // max(parts, 1))
        sizes = [min(chunk, size - i * chunk) for i in range(parts)]
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise InvalidModel(f"node {call.name}: an axis of {size} entries can't be split into {sizes}")
    return tuple(pieces(call, x, sizes, axis))


def pieces(call: Call, x: Tensorial, sizes: Sequence[int], axis: int) -> list[Tensorial]:
    ends = np.cumsum(sizes)
    return [gathered(call, x, np.arange(end - n, end), axis) for end, n in zip(ends, sizes, strict=True)]


def tile(call: Call) -> Value:
    x = call.value(0)
    if call.opset < 6:
        raise Obstacle("its form before opset 6 is not supported")
    repeats = call.integers(1, "repeats")
    if len(repeats) != len(x.shape):
        raise InvalidModel(f"node {call.name}: {len(repeats)} repeats for {len(x.shape)} axes")
    call.admit(tuple(n * r for n, r in zip(x.shape, repeats, strict=True)))
    for axis, count in enumerate(repeats):
        x = gathered(call, x, np.tile(np.arange(x.shape[axis]), count), axis)
    return x


MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad(call: Call) -> Value:
    x = call.value(0)
    mode = call.attr_text("mode", "constant")
    if call.opset < 11:
        flat, fill = call.attr_ints("pads"), call.attr_float("value", 0.0)
    else:
        flat, given = call.integers(1, "pads"), call.optional_constant(2, "fill value")
        fill = 0.0 if given is None or not given.array.size else float(given.array.reshape(-1)[0])
    rank = len(x.shape)
    axes = list(range(rank)) if call.optional(3) is None else [call.axis(a, rank) for a in call.integers(3, "axes")]
    if len(flat) != 2 * len(axes):
        raise InvalidModel(f"node {call.name}: {len(flat)} pads for {len(axes)} axes")
    pads = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        pads[axis] = (flat[i], flat[i + len(axes)])
    call.admit(tuple(n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)))
    if not any(flat):
        return x
    if mode == "constant":
        return call.add(Pad(tuple(pads), fill), x)
    if mode not in MODES:
        raise InvalidModel(f"node {call.name}: pad mode {mode!r} is unknown")
    for axis, (before, after) in enumerate(pads):
        places = np.arange(x.shape[axis])[max(-before, 0) : x.shape[axis] - max(-after, 0)]
        places = np.pad(places, (max(before, 0), max(after, 0)), mode=MODES[mode])  # type: ignore[call-overload]
        x = gathered(call, x, places, axis)
    return x


def depth_to_space(call: Call) -> Value:
    x, block = call.value(0), call.attr_int("blocksize")
    n, c, h, w = x.shape
    if call.attr_text("mode", "DCR") == "DCR":
        parts, order = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
    else:
        parts, order = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
    return reform(call, permuted(call, reform(call, x, parts), order), (n, c // block**2, h * block, w * block))


def space_to_depth(call: Call) -> Value:
    x, block = call.value(0), call.attr_int("blocksize")
    if call.has("mode") and call.attr_text("mode", "DCR") != "DCR":
        raise Obstacle("only its mode DCR is supported")
    n, c, h, w = x.shape
    parts = (n, c, h // block, block, w // block, block)
    moved = permuted(call, reform(call, x, parts), (0, 3, 5, 1, 2, 4))
    return reform(call, moved, (n, c * block**2, h // block, w // block))


def reverse_sequence(call: Call) -> Value:
    x, lengths = call.value(0), whole(call.constant(1, "lengths"), "lengths")
    batch, time = call.attr_int("batch_axis", 1), call.attr_int("time_axis", 0)

    def move(array: np.ndarray) -> np.ndarray:
        out = np.moveaxis(array.copy(), (batch, time), (0, 1))
        for row, length in zip(out, lengths, strict=True):
            row[:length] = row[:length][::-1].copy()
        return np.moveaxis(out, (0, 1), (batch, time))

    return picked(call, x, move)


def compress(call: Call) -> Value:
    x, condition = call.value(0), call.constant(1, "condition").array.astype(bool)
    axis = call.attr_int("axis", 0) if call.has("axis") else None
    return picked(call, x, lambda array: np.compress(condition, array, axis=axis))


TABLE = {
    "Gather": gather,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
    "Pad": pad,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "ReverseSequence": reverse_sequence,
    "Compress": compress,
}
