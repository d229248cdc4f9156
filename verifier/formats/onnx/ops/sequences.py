"""Sequences of tensors, which exporters write for splits and stacks; their length is known while loading."""

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.moves import pieces
from verifier.formats.onnx.ops.shape import joined, reform
from verifier.formats.onnx.values import Sequence, Tensorial, Value, integers


def items(call: Call, i: int) -> tuple[Tensorial, ...]:
    value = call.any(i)
    if not isinstance(value, Sequence):
        raise InvalidModel(f"node {call.name} ({call.node.op_type}): input {i} is no sequence")
    return value.items


def construct(call: Call) -> Value:
    return Sequence(tuple(call.values()))


def empty(call: Call) -> Value:
    call.ignore("dtype")
    return Sequence(())


def at(call: Call) -> Value:
    parts, place = items(call, 0), call.integers(1, "position")[0]
    if not -len(parts) <= place < len(parts):
        raise InvalidModel(f"node {call.name}: position {place} of a sequence of {len(parts)}")
    return parts[place]


def insert(call: Call) -> Value:
    parts = list(items(call, 0))
    place = len(parts) if call.optional(2) is None else call.integers(2, "position")[0]
    parts.insert(place, call.value(1))
    return Sequence(tuple(parts))


def erase(call: Call) -> Value:
    parts = list(items(call, 0))
    parts.pop(-1 if call.optional(1) is None else call.integers(1, "position")[0])
    return Sequence(tuple(parts))


def length(call: Call) -> Value:
    count = integers(len(items(call, 0)))
    return reform(call, count, ())


def concatenate(call: Call) -> Value:
    parts = list(items(call, 0))
    if not parts:
        raise Obstacle("an empty sequence has no shape")
    rank = len(parts[0].shape) + (1 if call.attr_int("new_axis", 0) else 0)
    axis = call.axis(call.attr_int("axis"), rank)
    if call.attr_int("new_axis", 0):
        parts = [reform(call, p, (*p.shape[:axis], 1, *p.shape[axis:])) for p in parts]
    return joined(call, parts, axis)


def split(call: Call) -> Value:
    x = call.value(0)
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    size, given = x.shape[axis], call.optional_constant(1, "split")
    keep = bool(call.attr_int("keepdims", 1)) or given is not None
    if given is not None and given.array.ndim:
        sizes = call.integers(1, "split")
    else:
        chunk = 1 if given is None else max(call.integers(1, "split")[0], 1)
        sizes = [min(chunk, size - first) for first in range(0, size, chunk)]
    parts = pieces(call, x, sizes, axis)
    return Sequence(tuple(p if keep else reform(call, p, (*p.shape[:axis], *p.shape[axis + 1 :])) for p in parts))


TABLE = {
    "SequenceConstruct": construct,
    "SequenceEmpty": empty,
    "SequenceAt": at,
    "SequenceInsert": insert,
    "SequenceErase": erase,
    "SequenceLength": length,
    "ConcatFromSequence": concatenate,
    "SplitToSequence": split,
}
