"""Cuts and writes at places that the network computes, as square ops over one flat vector of all that they read."""

import math
from dataclasses import replace

import numpy as np
import torch
from onnx import TensorProto

from verifier.formats.onnx.call import Call, real
from verifier.formats.onnx.ops.shape import joined, permuted, reform
from verifier.formats.onnx.values import Const, Tensorial, Wire
from verifier.graph.op import Affine
from verifier.graph.ops.place import CutAt, PutAt, Square
from verifier.graph.ops.shape import Concat, Gather


def square(call: Call, op: Square, parts: list[Tensorial], type: int) -> Wire:
    """The result `(made,)` of an op whose argument is all entries of `parts`, and zeros as far as it needs them."""
    flat = [reform(call, part, (math.prod(part.shape),)) for part in parts]
    if op.made > op.read:
        flat.append(real(np.zeros(op.made - op.read), parts[0]))
    whole = call.add(op, *[call.to_wire(joined(call, flat, 0))], type=type)
    return call.add(Gather(torch.arange(op.made), 0), whole)


def cut(call: Call, x: Tensorial, start: Wire, axis: int, length: int) -> Tensorial:
    """`length` entries of `axis` from the computed `start` on."""
    order = [*(a for a in range(len(x.shape)) if a != axis), axis]
    lead = tuple(x.shape[a] for a in order[:-1])
    moved = permuted(call, x, tuple(order))
    op = CutAt(math.prod(lead), x.shape[axis], length)
    picked = square(call, op, [moved, start], x.type)
    if isinstance(x, Const):
        call.context.cuts[call.context.made[picked.node][1][0]] = x.array
    out = reform(call, picked, (*lead, length))
    return permuted(call, out, tuple(order.index(a) for a in range(len(order))))


def put(call: Call, x: Tensorial, index: Wire, updates: Tensorial) -> Wire:
    """`x` with rows of `updates` at computed coordinates."""
    axes = index.shape[-1]
    sizes, width = x.shape[:axes], math.prod(x.shape[axes:])
    places = _marked_coordinates(call, index, sizes)
    op = PutAt(sizes, width, math.prod(index.shape[:-1]), passes=places is not None)
    out = square(call, op, [x, places or index, updates], x.type)
    return call.to_wire(reform(call, out, x.shape))


def _marked_coordinates(call: Call, index: Wire, sizes: tuple[int, ...]) -> Wire | None:
    """The same coordinates, where cuts that met the end of their tensor hold the size of the axis that they index: a
    mark that intervals can hold, unlike NaN. None where a mark might be mistaken for a computed coordinate."""
    op, args = call.context.made.get(index.node, (None, ()))
    last = len(index.shape) - 1
    if not isinstance(op, Concat) or op.axis != last or len(args) != len(sizes):
        return None
    marked = [_marked(call, name, size) for name, size in zip(args, sizes, strict=True)]
    if list(args) == marked or any(name is None for name in marked):
        return None
    return call.add(op, *(_wire(call, name, index.type) for name in marked if name is not None))


def _marked(call: Call, name: str, size: int) -> str | None:
    """The node with marks; the same where it has no cut. None for what is no constant, and no cut of a constant, within
    the axis: numbers that are only moved stay what they are."""
    builder = call.context.builder
    if name not in call.context.made:
        constant = builder.sample(name)
        fits = name != builder.input and bool(((constant >= 0) & (constant < size)).all())
        return name if fits else None
    op, args = call.context.made[name]
    if isinstance(op, CutAt):
        data = call.context.cuts.get(name)
        fits = data is not None and bool(((data >= 0) & (data < size)).all())
        return call.add(replace(op, missing=float(size)), _wire(call, args[0])).node if fits else None
    if not isinstance(op, Affine) or not op.moves:
        return None
    marked = [_marked(call, arg, size) for arg in args]
    if any(arg is None for arg in marked):
        return None
    if list(args) == marked:
        return name
    return call.add(op, *(_wire(call, arg) for arg in marked if arg is not None)).node


def _wire(call: Call, name: str, type: int = TensorProto.INT64) -> Wire:
    return Wire(name, call.context.builder.shape(name), type)
