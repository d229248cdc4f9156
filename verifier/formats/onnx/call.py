"""One ONNX node while it is translated: its inputs, attributes and the place where its ops go.

What a translator does not read would be skipped silently, the classic way to a wrong verdict; so reads are recorded,
and an attribute or input that nobody read is an obstacle.
"""

import itertools
import math
from collections.abc import Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.structure import label
from verifier.formats.onnx.values import (
    Const,
    Sequence,
    Tensorial,
    Value,
    Wire,
    admit,
    is_integer,
    type_name,
)
from verifier.graph.build import Builder
from verifier.graph.op import Op
from verifier.graph.ops.dense import Constant, Scale

T = TypeVar("T")


MAX_TOTAL = (
    2**30
)  # entries of all tensors of one translation: 8 GiB while loading, far above any network we could bound


class Obstacle(Exception):
    """Why a node can't be translated; collected, and reported together with all others."""


@dataclass
class Context:
    """What all nodes of one translation share."""

    builder: Builder
    opset: dict[str, int]
    reserved: frozenset[str]  # tensor names of the file, which inner nodes must not take
    final: dict[str, str] = field(default_factory=dict)  # node of ours -> the file's name for its value
    made: dict[str, tuple[Op, tuple[str, ...]]] = field(default_factory=dict)  # our nodes: op and arguments
    cuts: dict[str, np.ndarray] = field(default_factory=dict)  # our nodes that cut a constant, and the constant
    notes: list[str] = field(default_factory=list)
    rounded: list[str] = field(default_factory=list)  # the file's nodes with parameters that were computed and rounded
    sizes: list[int] = field(default_factory=lambda: [0])  # entries of all tensors so far
    serial: Iterator[int] = field(default_factory=itertools.count)

    def spend(self, shape: Seq[int]) -> None:
        """Many tensors of an allowed size are too large together."""
        self.sizes[0] += math.prod(shape)
        if self.sizes[0] > MAX_TOTAL:
            raise InvalidModel(f"its tensors have more than {MAX_TOTAL:,} entries together, which is refused")

    def inner_name(self, stem: str) -> str:
        """A provisional name for a node; that of the file, where it has one, is given at the end."""
        return next(name for k in self.serial if (name := f"{stem}~{k}") not in self.reserved)


class Call:
    """The arguments of a translator."""

    def __init__(self, context: Context, node: NodeProto, inputs: Seq[Value | None]) -> None:
        self.context, self.node = context, node
        self._inputs = list(inputs)
        self._attributes: dict[str, AttributeProto] = {a.name: a for a in node.attribute}
        self._unread_attributes = set(self._attributes)
        self._unread_inputs = {i for i, value in enumerate(inputs) if value is not None}
        if len(self._attributes) != len(node.attribute):
            raise InvalidModel(f"node {self.name} ({node.op_type}) has the same attribute twice")

    @property
    def name(self) -> str:
        return label(self.node)

    @property
    def opset(self) -> int:
        return self.context.opset.get(self.node.domain, self.context.opset.get("", 1))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs; empty where an output is not wanted."""
        return tuple(self.node.output)

    # Inputs

    @property
    def count(self) -> int:
        return len(self._inputs)

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        """All inputs, without counting them as read."""
        return tuple(self._inputs)

    def any(self, i: int) -> Value | None:
        """Input `i` whatever it is, None where it is absent."""
        self._unread_inputs.discard(i)
        return self._inputs[i] if i < len(self._inputs) else None

    def optional(self, i: int) -> Tensorial | None:
        value = self.any(i)
        if isinstance(value, Sequence):
            raise Obstacle("a sequence where a tensor is expected")
        return value

    def value(self, i: int) -> Tensorial:
        value = self.optional(i)
        if value is None:
            raise InvalidModel(f"node {self.name} ({self.node.op_type}) lacks its input {i}")
        return value

    def values(self) -> list[Tensorial]:
        return [self.value(i) for i in range(self.count)]

    def wire(self, i: int) -> Wire:
        return self.to_wire(self.value(i))

    def constant(self, i: int, what: str) -> Const:
        value = self.value(i)
        if isinstance(value, Const):
            return value
        raise Obstacle(f"its {what} depends on the network's input; only constants are supported")

    def optional_constant(self, i: int, what: str) -> Const | None:
        return None if self.optional(i) is None else self.constant(i, what)

    def integers(self, i: int, what: str) -> list[int]:
        """A constant list of integers, such as axes."""
        return whole(self.constant(i, what), what)

    # Attributes

    def has(self, name: str) -> bool:
        return name in self._attributes

    def attr_int(self, name: str, default: int | None = None) -> int:
        found = self._attribute(name, AttributeProto.INT)
        return self._default(name, default) if found is None else int(found.i)

    def attr_float(self, name: str, default: float | None = None) -> float:
        """Defaults are float32 as well: that is what the standard's own tables hold."""
        found = self._attribute(name, AttributeProto.FLOAT)
        return float(np.float32(self._default(name, default)) if found is None else found.f)

    def attr_text(self, name: str, default: str | None = None) -> str:
        found = self._attribute(name, AttributeProto.STRING)
        return self._default(name, default) if found is None else found.s.decode("utf-8", "replace")

    def attr_ints(self, name: str, default: Seq[int] | None = None) -> list[int]:
        found = self._attribute(name, AttributeProto.INTS)
        return list(self._default(name, default) if found is None else found.ints)

    def attr_floats(self, name: str, default: Seq[float] | None = None) -> list[float]:
        found = self._attribute(name, AttributeProto.FLOATS)
        return list(self._default(name, default) if found is None else found.floats)

    def attr_texts(self, name: str, default: Seq[str] | None = None) -> list[str]:
        found = self._attribute(name, AttributeProto.STRINGS)
        return [t.decode("utf-8", "replace") for t in found.strings] if found else list(self._default(name, default))

    def attr_tensor(self, name: str) -> TensorProto | None:
        found = self._attribute(name, AttributeProto.TENSOR)
        return None if found is None else found.t

    def attr_graph(self, name: str) -> GraphProto:
        found = self._attribute(name, AttributeProto.GRAPH)
        if found is None:
            raise InvalidModel(f"node {self.name} ({self.node.op_type}) lacks its attribute {name}")
        return found.g

    def ignore(self, *names: str) -> None:
        """Attributes that can't change the value (or are the defaults of training)."""
        self._unread_attributes.difference_update(names)

    def ignore_input(self, *indices: int) -> None:
        self._unread_inputs.difference_update(indices)

    def unread(self) -> list[str]:
        """What the translator did not look at."""
        return sorted(f"attribute {name}" for name in self._unread_attributes) + sorted(
            f"input {i} ({self.node.input[i]})" for i in self._unread_inputs
        )

    def _attribute(self, name: str, type: int) -> AttributeProto | None:
        self._unread_attributes.discard(name)
        found = self._attributes.get(name)
        if found is not None and found.ref_attr_name:
            raise InvalidModel(f"node {self.name}: attribute {name} refers to a function's parameter")
        if found is not None and found.type != type:
            raise InvalidModel(
                f"node {self.name} ({self.node.op_type}): attribute {name} has type "
                f"{AttributeProto.AttributeType.Name(found.type)}, not {AttributeProto.AttributeType.Name(type)}"
            )
        return found

    def _default(self, name: str, default: T | None) -> T:
        if default is None:
            raise InvalidModel(f"node {self.name} ({self.node.op_type}) lacks its attribute {name}")
        return default

    # Building

    def rounds(self) -> None:
        """A parameter is no longer the file's own number, but computed of such, and rounded."""
        self.context.rounded.append(self.name)

    def divided(self, x: Tensorial, by: Const) -> Wire:
        """`x / by`, by a constant without zeros."""
        return self.add(Scale(real(1 / by.array, by).tensor(), by.tensor()), x)

    def add(self, op: Op, *args: Tensorial, type: int | None = None) -> Wire:
        """Append `op`; the result has the element type of the first argument unless `type` says otherwise."""
        wires = [self.to_wire(arg) for arg in args]
        builder = self.context.builder
        stem = next((name for name in self.node.output if name), self.name)
        node = builder.add(op, *(w.node for w in wires), name=self.context.inner_name(stem))
        shape = builder.shape(node)
        self.context.spend(shape)
        self.context.made[node] = (op, tuple(w.node for w in wires))
        return Wire(node, shape, wires[0].type if type is None else type)

    def to_wire(self, value: Tensorial) -> Wire:
        if isinstance(value, Wire):
            return value
        return self.add_constant(value)

    def add_constant(self, value: Const) -> Wire:
        builder = self.context.builder
        node = builder.add(Constant(value.tensor()), name=self.context.inner_name(self.name))
        return Wire(node, value.shape, value.type)

    def axis(self, axis: int, rank: int) -> int:
        """A possibly negative axis, counted from the front and checked."""
        if not -rank <= axis < max(rank, 1):
            raise InvalidModel(f"node {self.name} ({self.node.op_type}): axis {axis} of a tensor with {rank} axes")
        return axis + rank if axis < 0 else axis

    def admit(self, shape: Seq[int]) -> None:
        admit(tuple(shape), f"node {self.name} ({self.node.op_type})")

    def broadcast(self, *values: Tensorial) -> tuple[int, ...]:
        """Common shape of the values, refused where it would be too large."""
        shape = np.broadcast_shapes(*(v.shape for v in values))
        self.admit(shape)
        return shape


def whole(value: Const, what: str) -> list[int]:
    """A constant of integers as a list."""
    if not is_integer(value.type):
        raise InvalidModel(f"the {what} must be integers, not {type_name(value.type)}")
    return [int(n) for n in value.array.reshape(-1)]


def real(array: np.ndarray | float, like: Tensorial) -> Const:
    """A constant with the element type of another value."""
    return Const(np.asarray(array, dtype=np.float64), like.type)
