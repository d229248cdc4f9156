"""What one operator's translation sees: its call, the graph under construction, and how to say that it can't."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor

from verifier.graph.build import MAX_ENTRIES, Builder
from verifier.graph.op import Op
from verifier.graph.ops.dense import Constant


class Obstacle(Exception):
    """Why a call can't be translated; collected and reported together."""


@dataclass(frozen=True)
class Ref:
    """A value that depends on the input: a node of the graph. `truth` marks zeros and ones meant as bool."""

    node: str
    truth: bool = False


@dataclass(frozen=True)
class Blocked:
    """A value that can't be used: an earlier call is an obstacle already, or `reason` says why (then a use is one)."""

    reason: str = ""


@dataclass
class Site:
    """Where an operator is translated. Values are `Ref`s, constant tensors, numbers, or lists of these."""

    builder: Builder
    target: str
    arguments: tuple[Any, ...]
    name: str = field(default="")

    def add(self, op: Op, *args: "Ref | Tensor", part: str = "") -> Ref:
        """A node behind `args`; `part` names the inner steps of an operator that needs several."""
        inputs = [self.ref(a).node for a in args]
        return Ref(self.builder.add(op, *inputs, name=f"{self.name}.{part}" if part else self.name))

    def ref(self, value: "Ref | Tensor | float") -> Ref:
        """The value as a node, a constant one if need be."""
        if isinstance(value, Ref):
            return value
        return Ref(self.builder.add(Constant(real(value)), name=f"{self.name}.constant"))

    def shape(self, value: "Ref | Tensor | float") -> tuple[int, ...]:
        return self.builder.shape(value.node) if isinstance(value, Ref) else tuple(torch.as_tensor(value).shape)

    def rank(self, value: "Ref | Tensor | float") -> int:
        return len(self.shape(value))

    def axis(self, value: Ref, dim: int) -> int:
        """A dimension of the value, counted from the front."""
        rank = max(self.rank(value), 1)
        if not -rank <= dim < rank:
            self.refuse(f"axis {dim} of a tensor with {rank} axes")
        return dim % rank

    def refuse(self, reason: str) -> NoReturn:
        raise Obstacle(reason)

    def room(self, *sizes: int) -> None:
        """Refuse a table or matrix of ours that would fill the memory."""
        if math.prod(sizes) > MAX_ENTRIES // 2:
            self.refuse(f"it would need a table of {math.prod(sizes):,} entries")

    def known(self, value: Any, what: str) -> Tensor:
        """The value as a float64 constant; refused where it depends on the input."""
        if isinstance(value, Ref):
            self.refuse(f"its {what} depends on the input")
        return real(value)


Lowering = Callable[..., Any]
"""`lowering(site, *arguments in the order of the schema)`: the result as `Ref`, constant, or list of these."""


def rows(names: str, lowering: Lowering) -> dict[str, Lowering]:
    """Operators, by `name.overload` between blanks, that are translated alike."""
    return dict.fromkeys(names.split(), lowering)


def real(value: Any) -> Tensor:
    """A number or tensor as a float64 tensor."""
    return torch.as_tensor(value, dtype=torch.float64)


def exact(tensor: Tensor) -> Tensor:
    """Floating-point tensors in float64, which changes no value; integers and truth values as they are."""
    return tensor.detach().to("cpu", torch.float64) if tensor.is_floating_point() else tensor.detach().cpu()
