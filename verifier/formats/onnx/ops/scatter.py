"""Indexing by coordinates: affine where the index is constant, opaque where the network computes it."""

import math

import numpy as np
import torch

from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.ops.computed import (
    GatherAlong,
    ScatterAlong,
    gather_by_coordinates,
)
from verifier.formats.onnx.ops.moves import picked, valid
from verifier.formats.onnx.ops.places import put
from verifier.formats.onnx.ops.shape import joined, reform
from verifier.formats.onnx.values import Const, Tensorial, Value
from verifier.graph.ops.opaque import OneByOne
from verifier.graph.ops.shape import Pick


def gather_elements(call: Call) -> Value:
    x, index = call.value(0), call.value(1)
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    if isinstance(index, Const):
        places = valid(call, index.array, x.shape[axis])
        return picked(call, x, lambda array: np.take_along_axis(_cut(array, places.shape, axis), places, axis))
    return call.add(OneByOne("GatherElements", GatherAlong(axis)), x, index)


def _cut(array: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """ONNX allows an index that is shorter than the data on the other axes; numpy does not."""
    return array[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(shape))]


def gather_nd(call: Call) -> Value:
    x, index = call.value(0), call.value(1)
    lead = call.attr_int("batch_dims", 0)
    call.admit((*index.shape[:-1], *x.shape[lead + index.shape[-1] :]))
    if not isinstance(index, Const):
        if lead:
            raise Obstacle("batch_dims with an index that is not constant")
        return call.add(OneByOne("GatherND", gather_by_coordinates), x, index)
    places = index.array.astype(np.int64)
    return picked(call, x, lambda array: _gather_nd(array, places, lead))


def _gather_nd(array: np.ndarray, index: np.ndarray, lead: int) -> np.ndarray:
    if not lead:
        return array[tuple(np.moveaxis(index, -1, 0))]
    outer = math.prod(array.shape[:lead])
    rows = zip(array.reshape(outer, *array.shape[lead:]), index.reshape(outer, *index.shape[lead:]), strict=True)
    parts = [row[tuple(np.moveaxis(i, -1, 0))] for row, i in rows]
    return np.stack(parts).reshape(*array.shape[:lead], *parts[0].shape)


def scatter_nd(call: Call) -> Value:
    x, index, updates = (call.value(i) for i in range(3))
    if call.attr_text("reduction", "none") != "none":
        raise Obstacle("only its reduction 'none' is supported")
    if not isinstance(index, Const):
        return put(call, x, index, updates)
    where = tuple(np.moveaxis(index.array.astype(np.int64), -1, 0))

    def write(target: np.ndarray, values: np.ndarray) -> None:
        target[where] = values

    return _replaced(call, x, updates, write)


def scatter_elements(call: Call) -> Value:
    x, index, updates = (call.value(i) for i in range(3))
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    if call.attr_text("reduction", "none") != "none":
        raise Obstacle("only its reduction 'none' is supported")
    if not isinstance(index, Const):
        return call.add(OneByOne("ScatterElements", ScatterAlong(axis)), x, index, updates)
    places = valid(call, index.array, x.shape[axis])
    where: list[np.ndarray] = list(np.indices(places.shape))
    where[axis] = places

    def write(target: np.ndarray, values: np.ndarray) -> None:
        target[tuple(where)] = values

    return _replaced(call, x, updates, write)


def _replaced(call: Call, x: Tensorial, updates: Tensorial, write) -> Value:  # type: ignore[no-untyped-def]
    """`x` with some entries replaced: both flat behind each other, and then every entry picked from its place."""
    places = np.arange(math.prod(x.shape)).reshape(x.shape)
    write(places, np.arange(math.prod(updates.shape)).reshape(updates.shape) + places.size)
    flat = [reform(call, value, (math.prod(value.shape),)) for value in (x, updates)]
    if math.prod(updates.shape) == 0:
        return x
    return call.add(Pick(torch.from_numpy(places)), joined(call, flat, 0), type=x.type)


TABLE = {
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "ScatterND": scatter_nd,
    "ScatterElements": scatter_elements,
    "Scatter": scatter_elements,
}
