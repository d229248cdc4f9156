"""One network for a whole query: what its comparisons mention, and products of that, as entries of one output.

Every column is a monomial: a single entry of an input, hidden or output tensor, or a product of several. A column may
occur more than once, for coefficients that take more than one float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Input, Op
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Concat, Pick, Reshape
from verifier.model import Model
from verifier.properties.expression import Entry, Monomial
from verifier.queries.networks import Joint, Part


def exposed(joint: Joint, columns: Sequence[Monomial]) -> Model:
    """The networks as one model from the joint input to `columns`, flat; a single network keeps its input's shape
    where all its inputs are its own.
    """
    build = _Build(joint)
    entries = sorted({entry for monomial in columns for entry in monomial}, key=build.order)
    values = build.entries(entries)
    place: dict[Monomial, int] = {(entry,): i for i, entry in enumerate(entries)}
    for degree in range(2, max(map(len, columns)) + 1):
        values = build.products(values, place, sorted({m[:degree] for m in columns if len(m) >= degree}))
    wanted = [place[monomial] for monomial in columns]
    output = values if wanted == list(range(len(place))) else build.add("columns", Pick(torch.tensor(wanted)), values)
    (first, *_) = joint.parts
    rounded = tuple(name for part in joint.parts for name in part.model.graph.rounded)
    graph = Graph(tuple(build.nodes.values()), output, first.model.graph.metadata, rounded=rounded).until(output)
    sources = " + ".join(dict.fromkeys(part.model.source for part in joint.parts))
    notes = tuple(dict.fromkeys(note for part in joint.parts for note in part.model.notes))
    return Model(graph, ColumnsEvaluator(joint, tuple(columns)), sources, notes)


class _Build:
    """Nodes so far; those of several networks carry the network's name in front."""

    def __init__(self, joint: Joint) -> None:
        self.joint, self.nodes = joint, dict[str, Node]()
        if len(joint.parts) == 1 and not joint.tied:
            self.outputs = [joint.parts[0].model.graph.output]
            self.nodes |= {node.name: node for node in joint.parts[0].model.graph.nodes}
            self.input = joint.parts[0].model.graph.input.name
        else:
            self.input = self.add("inputs", Input((joint.entries,)))
            self.outputs = [self._embed(part) for part in joint.parts]
        self.owner = {v.name: k for k, part in enumerate(joint.parts) for v in part.network.variables}

    def add(self, name: str, op: Op, *inputs: str) -> str:
        """Append a node; returns its name, made unique."""
        unique, count = name, 1
        while unique in self.nodes:
            unique, count = f"{name}#{count}", count + 1
        if isinstance(op, Input):
            shape = op.shape
        else:
            args = [torch.zeros((1, *self.nodes[i].shape), dtype=torch.float64) for i in inputs]
            shape = tuple(op.forward(*args).shape[1:])
        self.nodes[unique] = Node(unique, op, inputs, shape)
        return unique

    def _embed(self, part: Part) -> str:
        """The network's nodes, its input being a part of the joint one; returns its output."""
        graph, prefix = part.model.graph, f"{part.network.name}/"
        index = torch.from_numpy(self.joint.reads(part))
        self.add(prefix + graph.input.name, Pick(index.reshape(graph.input.shape)), self.input)
        for node in graph.nodes[1:]:
            inputs = tuple(prefix + name for name in node.inputs)
            self.nodes[prefix + node.name] = replace(node, name=prefix + node.name, inputs=inputs)
        return prefix + graph.output

    def order(self, entry: Entry) -> tuple[int, int, int]:
        """Entries of one node lie beside each other: inputs first, then network by network."""
        return *self.source(entry.name), self.place(entry)

    def source(self, variable: str) -> tuple[int, int]:
        """Of what kind of node a variable is part: the joint input, or an output of a network."""
        return (0, 0) if variable in self.joint.inputs else (1, self.owner[variable])

    def place(self, entry: Entry) -> int:
        if entry.name in self.joint.inputs:
            return self.joint.place(entry)
        return self.joint.parts[self.owner[entry.name]].places[entry.name] + entry.index

    def entries(self, entries: Sequence[Entry]) -> str:
        """A flat node of single entries, which are sorted by `order`."""
        groups: dict[tuple[int, int], list[int]] = {}
        for entry in entries:
            groups.setdefault(self.source(entry.name), []).append(self.place(entry))
        picked = []
        for (kind, owner), places in groups.items():
            node = self.outputs[owner] if kind else self.input
            whole = places == list(range(self.nodes[node].size))
            op: Op = Reshape((len(places),)) if whole else Pick(torch.tensor(places))
            picked.append(self.add(f"{node}~mentioned", op, node))
        return picked[0] if len(picked) == 1 else self.add("mentioned", Concat(0), *picked)

    def products(self, values: str, place: dict[Monomial, int], monomials: Sequence[Monomial]) -> str:
        """`values` with the products behind it; `place` learns where they are."""
        pairs = torch.tensor([[place[m[:-1]], place[m[-1:]]] for m in monomials])
        both = self.add("factors", Pick(pairs), values)
        product = self.add("products", Product(), both)
        for monomial in monomials:
            place[monomial] = len(place)
        return self.add("values", Concat(0), values, product)


@dataclass(frozen=True, eq=False)
class ColumnsEvaluator:
    """The networks in their own engines, then the columns in float64, where a product of two float32 is exact."""

    joint: Joint
    columns: tuple[Monomial, ...]

    @property
    def name(self) -> str:
        return self.joint.parts[0].model.evaluator.name

    @cached_property
    def _build(self) -> _Build:
        return _Build(self.joint)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`x (B, *in)` to `(B, columns)`."""
        flat = np.asarray(x, dtype=np.float32).reshape(len(x), -1)
        tensors = {(0, 0): flat}
        mentioned = {entry for monomial in self.columns for entry in monomial}
        for k in {self._build.owner[e.name] for e in mentioned if e.name not in self.joint.inputs}:
            part = self.joint.parts[k]
            own = flat[:, self.joint.reads(part)].reshape(len(x), *part.model.graph.input.shape)
            tensors[1, k] = np.asarray(part.model.evaluator(own)).reshape(len(x), -1)
        out = np.ones((len(x), len(self.columns)))
        for k, monomial in enumerate(self.columns):
            for entry in monomial:
                out[:, k] *= tensors[self._build.source(entry.name)][:, self._build.place(entry)].astype(np.float64)
        return out
