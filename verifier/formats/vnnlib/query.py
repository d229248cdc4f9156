"""What a VNN-LIB file asks, in either dialect: is there an assignment that makes every assertion true?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from verifier.properties.expression import Entry, Formula

Kind = Literal["input", "hidden", "output"]


@dataclass(frozen=True)
class Variable:
    """A declared tensor. `dtype` is `real` or the name of an ONNX type, as written but in small letters."""

    name: str
    kind: Kind
    dtype: str
    shape: tuple[int, ...]
    onnx_name: str = ""  # of a hidden node


@dataclass(frozen=True)
class Network:
    """A declared network; its variables in the order of their declaration."""

    name: str
    inputs: tuple[Variable, ...]
    hidden: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    equal_to: str = ""
    isomorphic_to: str = ""

    @property
    def variables(self) -> tuple[Variable, ...]:
        return (*self.inputs, *self.hidden, *self.outputs)


@dataclass(frozen=True, eq=False)
class Query:
    """`assertions` must all hold, and so must the bounds of single inputs, which a file of a picture has by the
    hundred thousand: `least` and `greatest` map an input's entry to the tightest exact bound asserted at top level.
    Other comparisons of inputs (strict ones, those inside `or`) stay in `assertions`.

    In dialect 1.0 (`version` `1.0`) there is one network, called `N`, with an input `X` and an output `Y`, both flat.
    """

    version: str
    networks: tuple[Network, ...]
    assertions: tuple[Formula, ...]
    least: Mapping[Entry, Decimal] = field(default_factory=dict)
    greatest: Mapping[Entry, Decimal] = field(default_factory=dict)

    def variable(self, name: str) -> Variable:
        return next(v for network in self.networks for v in network.variables if v.name == name)
