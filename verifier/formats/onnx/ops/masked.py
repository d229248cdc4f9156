"""A softmax of arguments that a constant mask makes -inf: each row is one of the others, and these have no share."""

from collections.abc import Callable

import torch

from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.values import Wire
from verifier.graph.ops.dense import Shift
from verifier.graph.ops.shape import Concat, Pick, Reshape

MOST = 256  # different rows of a mask


def masked(call: Call, x: Wire, shares: Callable[[Call, Wire], Wire]) -> Wire | None:
    """Shares along the last axis of `x`, by `shares` of rows that hide the same; None where no mask was added to it."""
    op, args = call.context.made.get(x.node, (None, ()))
    if not isinstance(op, Shift) or not bool((op.bias == -torch.inf).any()):
        return None
    size = x.shape[-1]
    seen = (op.bias != -torch.inf).expand(x.shape).reshape(-1, size)
    if not bool(seen.any(1).all()):
        raise Obstacle("its mask hides all arguments of a row")
    patterns, which = torch.unique(seen, dim=0, return_inverse=True)
    if len(patterns) > MOST:
        return None
    before = Wire(args[0], call.context.builder.shape(args[0]), x.type)
    scores = call.add(Shift(torch.where(op.bias == -torch.inf, 0.0, op.bias)), before)
    place, parts, count = torch.zeros(seen.shape, dtype=torch.long), list[Wire](), 0
    for number, pattern in enumerate(patterns):
        rows, columns = (which == number).nonzero(), pattern.nonzero().T
        own = shares(call, call.add(Pick(rows * size + columns), scores))
        place[rows, columns] = count + torch.arange(rows.numel() * columns.numel()).reshape(len(rows), -1)
        parts.append(call.add(Reshape((rows.numel() * columns.numel(),)), own))
        count += rows.numel() * columns.numel()
    place[~seen] = count
    every = call.add(Concat(0), *parts, real(torch.zeros(1).numpy(), x))
    return call.add(Pick(place.reshape(x.shape)), every)
