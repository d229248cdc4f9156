"""Integers have a width, and what does not fit loses its higher bits: a node that computes one has that as its last op.

Sums and products of wrapped numbers wrap to the same, so that within a node nothing has to be done.
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from verifier.formats.onnx.call import Call
from verifier.formats.onnx.values import INTEGER, Value, Wire
from verifier.graph.op import Affine, Op
from verifier.graph.ops.activation import Clip, NonZero, Positive, Relu, Sign, Wrap
from verifier.graph.ops.place import ArgMost, CutAt, PutAt
from verifier.graph.ops.pool import Max

WITHIN = (Clip, NonZero, Positive, Sign, ArgMost)  # results lie in the type by what these compute
KEEPING = (Max, Relu, CutAt, PutAt)  # results are entries of arguments, or zero
SMALL: dict[int, Wrap] = {TensorProto.INT4: Wrap(4, True), TensorProto.UINT4: Wrap(4, False)}


def width(type: int) -> Wrap | None:
    """What an element type holds; None of others than integers."""
    if type not in INTEGER:
        return SMALL.get(type)
    info = np.iinfo(INTEGER[type])
    return Wrap(info.bits, info.min < 0)


def within_width(call: Call, value: Value, made: Sequence[str]) -> Value:
    """The output of a node that added the nodes `made` to the graph, as its type holds it."""
    if not isinstance(value, Wire) or (held := width(value.type)) is None or _fits(call, value, held, made):
        return value
    return call.add(held, value)


def _fits(call: Call, value: Wire, held: Wrap, made: Sequence[str]) -> bool:
    ops = {name: call.context.made[name][0] for name in made}
    if isinstance(ops.get(value.node), WITHIN):
        return True
    sources = [source.type for source in call.inputs if isinstance(source, Wire)]
    return all(map(_keeps, ops.values())) and all(_holds(held, type) for type in sources)


def _keeps(op: Op) -> bool:
    return isinstance(op, KEEPING) or (isinstance(op, Affine) and op.moves)


def _holds(held: Wrap, type: int) -> bool:
    """Does every number of the type fit?"""
    if type == TensorProto.BOOL:
        return True
    source = width(type)
    return source is not None and source.least >= held.least and source.greatest <= held.greatest
