"""How the file's inputs become the one flat or single input of our graph, and back into what the file wants."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from onnx import ModelProto, ValueInfoProto

from verifier.errors import InputError, InvalidModel, UnsupportedModel
from verifier.formats.onnx.structure import initializer_names
from verifier.formats.onnx.values import PRECISION, Wire, admit, type_name
from verifier.graph.build import Builder
from verifier.graph.ops.shape import Gather, Reshape


@dataclass(frozen=True)
class Feed:
    """One input of the file: the shape that we use and the axes whose size the file leaves open."""

    name: str
    shape: tuple[int, ...]
    type: int
    open_axes: tuple[int, ...] = ()

    @property
    def entries(self) -> int:
        return math.prod(self.shape)

    def array(self, x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x, dtype=PRECISION[self.type])


def feeds_of(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[Feed, ...], list[str]]:
    """Inputs that are no initializers, and notes about sizes that had to be chosen."""
    known = set(initializer_names(model.graph))
    infos = [info for info in model.graph.input if info.name not in known]
    names = [info.name for info in infos]
    if len(set(names)) != len(names):
        raise InvalidModel(f"two inputs have the same name: {names}")
    if not infos:
        raise InvalidModel("the graph has no input")
    unknown = sorted(set(shapes) - set(names))
    if unknown:
        raise InputError(f"no input is called {unknown[0]!r}; the model's inputs are {', '.join(names)}")
    found = [_feed(info, shapes.get(info.name)) for info in infos]
    return tuple(feed for feed, _ in found), [note for _, notes in found for note in notes]


def _feed(info: ValueInfoProto, shape: tuple[int, ...] | None) -> tuple[Feed, list[str]]:
    if info.type.WhichOneof("value") != "tensor_type":
        raise UnsupportedModel(f"input {info.name!r} is no tensor; only tensors can be verified")
    tensor = info.type.tensor_type
    if tensor.elem_type not in PRECISION:
        raise UnsupportedModel(
            f"input {info.name!r} holds {type_name(tensor.elem_type)}; regions are sets of real numbers, so an input "
            "must be float. Export the network without its integer pre-processing"
        )
    if not tensor.HasField("shape") and shape is None:
        raise UnsupportedModel(f"input {info.name!r} declares no shape; export the model with one")
    dims = list(tensor.shape.dim)
    notes = []
    for i, dim in enumerate(dims):
        if dim.HasField("dim_value") and dim.dim_value < 0:
            raise InvalidModel(f"input {info.name!r}: axis {i} has the negative size {dim.dim_value}")
    open_axes = tuple(i for i, dim in enumerate(dims) if not dim.HasField("dim_value") or dim.dim_value == 0)
    chosen = tuple(1 if i in open_axes else int(dim.dim_value) for i, dim in enumerate(dims))
    if shape is not None:
        chosen = shape
    elif open_axes:
        symbols = ", ".join(f"axis {i} ({dims[i].dim_param or 'unnamed'})" for i in open_axes)
        notes.append(f"input {info.name}: {symbols} is open in the file and was taken as 1")
    admit(chosen, f"input {info.name!r}")
    return Feed(info.name, chosen, tensor.elem_type, open_axes), notes


def start(feeds: tuple[Feed, ...], reserved: frozenset[str]) -> tuple[Builder, dict[str, Wire]]:
    """A builder with the network's input, and what each of the file's inputs is in it.

    Several inputs are flattened and joined in the file's order: `x[0 : n]` is the first, and so on.
    """
    if len(feeds) == 1:
        (feed,) = feeds
        builder = Builder(feed.name, feed.shape)
        return builder, {feed.name: Wire(feed.name, feed.shape, feed.type)}
    total = sum(feed.entries for feed in feeds)
    admit((total,), "all inputs together")
    name = "inputs"
    while name in reserved:
        name += "_"
    builder, wires, first = Builder(name, (total,)), {}, 0
    for feed in feeds:
        part = builder.add(Gather(torch.arange(first, first + feed.entries), 0), builder.input, name=f"{name}~{first}")
        node = builder.add(Reshape(feed.shape), part, name=feed.name)
        wires[feed.name] = Wire(node, feed.shape, feed.type)
        first += feed.entries
    return builder, wires


def split(x: np.ndarray, feeds: tuple[Feed, ...]) -> dict[str, np.ndarray]:
    """One row of our input as the file's inputs."""
    flat, parts, first = x.reshape(-1), {}, 0
    for feed in feeds:
        parts[feed.name] = feed.array(flat[first : first + feed.entries].reshape(feed.shape))
        first += feed.entries
    return parts
