"""Weights in files beside the model. We read them ourselves, and only from the model's own folder."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.values import admit

BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.DOUBLE: 64,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.INT8: 8,
    TensorProto.INT16: 16,
    TensorProto.INT32: 32,
    TensorProto.INT64: 64,
    TensorProto.UINT8: 8,
    TensorProto.UINT16: 16,
    TensorProto.UINT32: 32,
    TensorProto.UINT64: 64,
    TensorProto.BOOL: 8,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
}


def embed_external(model: ModelProto, folder: Path) -> None:
    """Replace every external tensor by its bytes, in place; afterwards the model stands alone."""
    for tensor in tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _read(tensor, folder)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor of a graph, those in attributes and subgraphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        elif attribute.type == AttributeProto.TENSORS:
            yield from attribute.tensors
        elif attribute.type == AttributeProto.SPARSE_TENSOR:
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        elif attribute.type == AttributeProto.GRAPH:
            yield from tensors(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            for graph in attribute.graphs:
                yield from tensors(graph)


def _read(tensor: TensorProto, folder: Path) -> bytes:
    what = f"external tensor {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _inside(entries.get("location", ""), folder, what)
    admit(list(tensor.dims), what)
    if tensor.data_type not in BITS:
        raise InvalidModel(f"{what}: element type {tensor.data_type} is not supported")
    need = (math.prod(tensor.dims) * BITS[tensor.data_type] + 7) // 8
    offset, length = _number(entries, "offset", 0, what), _number(entries, "length", need, what)
    size = path.stat().st_size
    if length != need or offset + length > size:
        raise InvalidModel(
            f"{what}: its shape {tuple(tensor.dims)} needs {need:,} bytes, the model states {length:,} at {offset:,} "
            f"and {path.name} has {size:,}"
        )
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _inside(location: str, folder: Path, what: str) -> Path:
    """The data file, after making sure that it lies in the model's folder, with symbolic links resolved."""
    windows = PureWindowsPath(location)
    parts = PurePosixPath(location.replace("\\", "/")).parts
    if not location or "\0" in location or windows.drive or location[0] in "/\\" or ".." in parts:
        raise InvalidModel(f"{what}: the data file {location!r} is not a plain path inside the model's folder")
    path, root = Path(os.path.realpath(folder / location)), Path(os.path.realpath(folder))
    if not path.is_relative_to(root):
        raise InvalidModel(f"{what}: the data file {location!r} is a link that leaves the model's folder")
    if not path.is_file():
        raise InvalidModel(f"{what}: the data file {location!r} is missing; keep it beside the model")
    return path


def _number(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise InvalidModel(f"{what}: {key} {text!r} is not a number")
    return int(text)
