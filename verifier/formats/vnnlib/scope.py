"""What the names in an assertion stand for: `X_3` in dialect 1.0, `X[0,3]` in 2.0."""

import re
from dataclasses import dataclass, field

from verifier.formats.vnnlib.networks import agree, indices
from verifier.formats.vnnlib.query import Network, Variable
from verifier.formats.vnnlib.tokens import Mistake, quoted
from verifier.properties.expression import Entry

FLAT = re.compile(r"([XY])_(0|[1-9]\d{0,8})", re.ASCII)
INDEXED = re.compile(r"([^\s\[]++)\s*+(?:\[([^\]]*+)\])?+", re.ASCII)


@dataclass
class Scope:
    """The entries that assertions may name, found by the words that name them."""

    known: dict[str, Entry] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)  # by the name of the tensor
    inputs: set[str] = field(default_factory=set)  # names of tensors

    def entry(self, word: str) -> Entry:
        found = self.known.get(word)
        if found is None:
            found = self.known[word] = self.find(word)
        return found

    def find(self, word: str) -> Entry:
        raise NotImplementedError

    def networks(self) -> tuple[Network, ...]:
        raise NotImplementedError


@dataclass
class FlatScope(Scope):
    """Dialect 1.0: one network `N`, from `X` to `Y`."""

    counts: dict[str, int] = field(default_factory=lambda: {"X": 0, "Y": 0})
    greatest: dict[str, int] = field(default_factory=lambda: {"X": 0, "Y": 0})

    def __post_init__(self) -> None:
        self.dtypes.update(X="real", Y="real")
        self.inputs.add("X")

    def declare(self, word: str) -> None:
        match = FLAT.fullmatch(word)
        if match is None:
            raise Mistake(
                f"expected the name of an input X_0, X_1, ... or of an output Y_0, Y_1, ..., found {quoted(word)}"
            )
        if word in self.known:
            raise Mistake(f"{word} is declared twice")
        name = match[1]
        entry = self.known[word] = Entry(name, int(match[2]))
        self.counts[name] += 1
        self.greatest[name] = max(self.greatest[name], entry.index)

    def find(self, word: str) -> Entry:
        raise Mistake(f"expected a number or a declared variable, found {quoted(word)}")

    def networks(self) -> tuple[Network, ...]:
        x = Variable("X", "input", "real", (self.counted("X"),))
        y = Variable("Y", "output", "real", (self.counted("Y"),))
        return (Network("N", (x,), (), (y,)),)

    def counted(self, name: str) -> int:
        """How many there are: the indices start at 0 and have no gap."""
        count = self.counts[name]
        if count == self.greatest[name] + 1:
            return count
        for index in range(count or 1):
            if f"{name}_{index}" not in self.known:
                raise Mistake(f"{name}_{index} is not declared" + (f", though {count} of {name} are" if count else ""))
        return count


@dataclass
class TensorScope(Scope):
    """Dialect 2.0: declared networks with named tensors of any shape."""

    declared: list[Network] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)

    def declare(self, network: Network) -> None:
        agree(network, self.declared)
        self.declared.append(network)
        for variable in network.variables:
            if variable.name in self.variables:
                raise Mistake(f"the variable {variable.name} is declared twice")
            self.variables[variable.name] = variable
            self.dtypes[variable.name] = variable.dtype
        self.inputs.update(variable.name for variable in network.inputs)

    def find(self, word: str) -> Entry:
        match = INDEXED.fullmatch(word)
        variable = self.variables.get(match[1]) if match else None
        if match is None or variable is None:
            raise Mistake(f"expected a number or an entry of a declared variable, found {quoted(word)}")
        return Entry(variable.name, flat_index(variable, match[2]))

    def networks(self) -> tuple[Network, ...]:
        if not self.declared:
            raise Mistake("the text declares no network")
        return tuple(self.declared)


def flat_index(variable: Variable, inside: str | None) -> int:
    """The place in C order; `inside` is what the brackets hold, None where there are none."""
    shape = f"{variable.name} has the shape {list(variable.shape)}"
    if inside is None or not inside.strip():
        if any(size != 1 for size in variable.shape) or (inside is not None and variable.shape):
            raise Mistake(f"{shape}: an index is missing")
        return 0
    place = indices(inside)
    if place is None or len(place) != len(variable.shape):
        raise Mistake(f"{shape}, and the index [{inside}] does not fit")
    flat = 0
    for index, size in zip(place, variable.shape, strict=True):
        if index >= size:
            raise Mistake(f"{shape}, and the index [{inside}] is out of range")
        flat = flat * size + index
    return flat
