"""The networks of a query, side by side: one flat input, and in it the place of every declared input."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import InputError
from verifier.formats.onnx.declared import load_network
from verifier.formats.vnnlib.query import Network, Query, Variable
from verifier.model import Model

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
    """All networks; `inputs` maps every input variable to its first place in the joint flat input of `entries`, `types`
    to its type in the file."""

    parts: tuple[Part, ...]
    inputs: Mapping[str, int]
    types: Mapping[str, str]
    entries: int


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
    return Joint(tuple(parts), inputs, types, first)


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
