"""Weights that the file lists apart from its nodes."""

import numpy as np
from onnx import ModelProto, SparseTensorProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.values import Const, admit, decode


def sparse(tensor: SparseTensorProto, what: str) -> Const:
    """A sparse tensor written out; its indices count flat or by coordinates."""
    shape = tuple(tensor.dims)
    admit(shape, what)
    values, places = decode(tensor.values, what), decode(tensor.indices, what).array
    flat = np.zeros(int(np.prod(shape)), dtype=values.array.dtype)
    try:
        index = np.ravel_multi_index(tuple(places.T), shape) if places.ndim == 2 else places
        flat[index] = values.array
    except (ValueError, IndexError) as error:
        raise InvalidModel(f"{what}: its indices do not fit its shape {shape}") from error
    return Const(flat.reshape(shape), values.type)


def initial_values(model: ModelProto) -> dict[str, Const]:
    """Every initializer of the (pruned) graph by name."""
    values: dict[str, Const] = {}
    for tensor in model.graph.initializer:
        if tensor.name in values:
            raise InvalidModel(f"two initializers are called {tensor.name!r}")
        values[tensor.name] = decode(tensor, f"initializer {tensor.name!r}")
    for item in model.graph.sparse_initializer:
        values[item.values.name] = sparse(item, f"initializer {item.values.name!r}")
    return values
