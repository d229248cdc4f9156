"""The networks of a query, side by side: one flat input, and in it the place of every declared input."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from verifier.errors import InputError
from verifier.formats.onnx.declared import load_network
from verifier.formats.vnnlib.query import Network, Query, Variable
from verifier.model import Model
from verifier.properties.expression import Entry

SOUND = ("real", "float32", "float64")  # types of inputs about which we prove something


@dataclass(frozen=True, eq=False)
class Part:
    """A declared network and its model. `first` is where its inputs begin in the joint one; `places` where, in the
    model's flattened output, each of its hidden and output variables begins that the query compares."""

    network: Network
    model: Model
    first: int
    places: Mapping[str, int]

    @property
    def entries(self) -> int:
        return math.prod(self.model.graph.input.shape)


@dataclass(frozen=True, eq=False)
class Joint:
    """All networks; `inputs` maps every input variable to its first place among all declared entries, `types` to its
    type in the file. `read (declared,)` is the place in the joint flat input at which each of them is read: ties let
    several read one."""

    parts: tuple[Part, ...]
    inputs: Mapping[str, int]
    types: Mapping[str, str]
    read: np.ndarray

    @cached_property
    def entries(self) -> int:
        """Of the joint input."""
        return int(self.read.max()) + 1

    @property
    def tied(self) -> bool:
        return self.entries < len(self.read)

    def declared(self, entry: Entry) -> int:
        """An input's place among all declared entries."""
        return self.inputs[entry.name] + entry.index

    def place(self, entry: Entry) -> int:
        """An input's place in the joint one."""
        return int(self.read[self.declared(entry)])

    def reads(self, part: Part) -> np.ndarray:
        """The places `(n,)` that a network reads, in the order of its inputs."""
        return self.read[part.first : part.first + part.entries]

    def tie(self, ties: Mapping[Entry, Entry]) -> Self:
        """The same networks, inputs that `ties` maps to another reading that one."""
        if not ties:
            return self
        source = np.arange(len(self.read))
        for entry, other in ties.items():
            source[self.declared(entry)] = self.declared(other)
        own = source == np.arange(len(source))
        return replace(self, read=(np.cumsum(own) - 1)[source])


def files(query: Query, given: Mapping[str, str | Path]) -> dict[str, Path]:
    """The file of every declared network: those with `equal-to` take that of the other.

    Raises:
        InputError: a network has no file, or a file no network.
    """
    named = {n.name: n for n in query.networks}
    own = [n.name for n in query.networks if not n.equal_to]
    for name in given:
        if name not in named:
            raise InputError(f"--network {name}=...: the query declares no such network; it has {', '.join(named)}")
        if name not in own:
            raise InputError(f"--network {name}=...: {name} is equal-to {named[name].equal_to} and takes no file")
    missing = [name for name in own if name not in given]
    if missing:
        raise InputError(f"no file for network {missing[0]}; add --network {missing[0]}=MODEL.onnx")
    return {n.name: Path(given[n.equal_to or n.name]) for n in query.networks}


def load(query: Query, given: Mapping[str, str | Path], compared: Collection[str]) -> Joint:
    """Load every network with the tensors that are `compared` (names of variables) as its output.

    Raises:
        InputError: files, shapes or types do not fit the declarations, or a type is none that we are sound for.
        UnsupportedModel, InvalidModel: of a file.
    """
    paths, flat = files(query, given), query.version.startswith("1")
    _check_types(query)
    parts: list[Part] = []
    inputs: dict[str, int] = {}
    types: dict[str, str] = {}
    first = 0
    for network in query.networks:
        wanted = [v.name for v in (*network.hidden, *network.outputs) if v.name in compared]
        loaded = load_network(paths[network.name], network, wanted, flat)
        parts.append(Part(network, loaded.model, first, loaded.places))
        types |= loaded.types
        for variable in network.inputs:
            inputs[variable.name] = first
            first += math.prod(variable.shape)
    return Joint(tuple(parts), inputs, types, np.arange(first))


def entries(variable: Variable) -> Iterator[Entry]:
    """Of a declared tensor, in order."""
    return (Entry(variable.name, i) for i in range(math.prod(variable.shape)))


def _check_types(query: Query) -> None:
    """Of inputs: what a network computes with integers or booleans on the way is exact, but their ranges are sets of
    integers, which no region describes; and half precision rounds too much for our margins to mean anything."""
    for network in query.networks:
        for v in network.variables:
            if not _sound(v):
                raise InputError(
                    f"network {network.name}: {v.kind} {v.name} is declared {v.dtype}, for which no sound answer can "
                    f"be given; supported are {', '.join(SOUND)}. Declare it real to ask about real numbers"
                )


def _sound(variable: Variable) -> bool:
    if variable.kind == "input":
        return variable.dtype in SOUND
    return variable.dtype in SOUND or variable.dtype == "bool" or "int" in variable.dtype
