"""What an ONNX name stands for while a file is translated: a constant, a node of our graph, or a sequence of these.

All real numbers are held in float64, whatever type the file declares; the declared type travels beside them, because
it decides what an operator means (integer division, a cast) and how far a constant may be trusted to be an integer.
"""

from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

from verifier.errors import InvalidModel
from verifier.graph.build import MAX_ENTRIES

PRECISION: dict[int, np.dtype] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.FLOAT16: np.dtype(np.float16),
}
NARROW = (
    TensorProto.BFLOAT16,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT8E4M3FNUZ,
    TensorProto.FLOAT8E5M2,
    TensorProto.FLOAT8E5M2FNUZ,
)
REAL = (*PRECISION, *NARROW)
INTEGER: dict[int, np.dtype] = {
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.UINT64: np.dtype(np.uint64),
}
SMALL_INTEGER: dict[int, np.dtype] = {TensorProto.INT4: np.dtype(np.int8), TensorProto.UINT4: np.dtype(np.uint8)}


@dataclass(frozen=True, eq=False)
class Const:
    """A value that does not depend on the input. `type` is the file's element type."""

    array: np.ndarray
    type: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def tensor(self) -> torch.Tensor:
        """Float64, ready to be a parameter of an op. A transposed matrix stays one: copying VGG-16's took 5 s."""
        if self.array.ndim == 2 and self.array.T.flags.c_contiguous and not self.array.flags.c_contiguous:
            return Const(self.array.T, self.type).tensor().T
        array = np.ascontiguousarray(self.array, dtype=np.float64).reshape(self.shape)
        return torch.from_numpy(array if array.flags.writeable else array.copy())


@dataclass(frozen=True)
class Wire:
    """A node of the graph under construction. Integers and booleans travel as real numbers, true is one."""

    node: str
    shape: tuple[int, ...]
    type: int


@dataclass(frozen=True, eq=False)
class Sequence:
    """An ONNX sequence; its length is known, because shapes are."""

    items: tuple["Const | Wire", ...]


Value = Const | Wire | Sequence
Tensorial = Const | Wire


def type_name(type: int) -> str:
    """The file's own word for an element type."""
    return str(TensorProto.DataType.Name(type)).lower() if type in TensorProto.DataType.values() else f"type {type}"


def is_real(type: int) -> bool:
    return type in REAL


def is_integer(type: int) -> bool:
    return type in INTEGER or type in SMALL_INTEGER


def admit(shape: tuple[int, ...] | list[int], what: str) -> None:
    """Refuse a tensor that would be too large, before anything is allocated."""
    entries = 1
    for n in shape:
        if n < 0:
            raise InvalidModel(f"{what}: a negative size in the shape {tuple(shape)}")
        entries *= int(n)
    if entries > MAX_ENTRIES:
        raise InvalidModel(f"{what}: a tensor of {entries:,} entries; more than {MAX_ENTRIES:,} is refused")


def constant(array: np.ndarray | np.generic, type: int | None = None) -> Const:
    """A `Const` of a plain numpy array; `type` is its element type where that differs from the array's own."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        own = int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
        return Const(array.astype(np.float64), own if type is None else type)
    if array.dtype.kind not in "iub":
        raise InvalidModel(f"a constant of numpy type {array.dtype}; numbers and booleans are supported")
    return Const(array, int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype)) if type is None else type)


def integers(*values: int) -> Const:
    return Const(np.array(values, dtype=np.int64), TensorProto.INT64)


def decode(tensor: TensorProto, what: str) -> Const:
    """The tensor that a file embeds, its real numbers widened exactly to float64."""
    admit(list(tensor.dims), what)
    if tensor.data_location == TensorProto.EXTERNAL:
        raise InvalidModel(f"{what}: external data where only embedded data can be")
    supported = tensor.data_type in REAL or tensor.data_type in INTEGER or tensor.data_type in SMALL_INTEGER
    if not supported and tensor.data_type != TensorProto.BOOL:
        raise InvalidModel(f"{what}: a tensor of {type_name(tensor.data_type)}; numbers and booleans are supported")
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:
        raise InvalidModel(f"{what}: its data does not fit its shape {tuple(tensor.dims)} ({error})") from error
    if array.shape != tuple(tensor.dims):
        raise InvalidModel(f"{what}: its data does not fit its shape {tuple(tensor.dims)}")
    if tensor.data_type in REAL:
        array = array.astype(np.float64)
        if np.isnan(array).any():
            raise InvalidModel(f"{what}: holds NaN; such a network has no meaningful output")
    elif tensor.data_type in SMALL_INTEGER:
        array = array.astype(SMALL_INTEGER[tensor.data_type])
    return Const(array, tensor.data_type)


def rounded(value: Const) -> np.ndarray:
    """The array as the file's own type holds it; where a constant is turned into an integer, its last bit counts."""
    narrow = PRECISION.get(value.type)
    return value.array.astype(narrow).astype(np.float64) if narrow is not None else value.array
