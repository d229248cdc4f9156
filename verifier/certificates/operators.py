"""A network with the checker's own operators: a map for every affine node, a rule for every nonlinear one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from verifier.certificates.affine import Map, mapped, size
from verifier.certificates.crops import SAME, Crop, Local, met
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Rule
from verifier.certificates.rules import rule
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.softmax import Differences, Softmax


@dataclass(frozen=True, eq=False)
class Network:
    """The graph with the checker's own operators."""

    graph: Graph
    numbers: Numbers

    @cached_property
    def maps(self) -> Mapping[str, Map]:
        shapes = {node.name: node.shape for node in self.graph.nodes}
        return {
            node.name: self._named(node, mapped, [shapes[name] for name in node.inputs], node.shape)
            for node in self.graph.nodes
            if isinstance(node.op, Affine)
        }

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        shapes = {node.name: node.shape for node in self.graph.nodes}
        return {
            node.name: self._named(node, rule, shapes[node.inputs[0]]) for node in self.graph.nodes if node.nonlinear
        }

    @cached_property
    def gammas(self) -> Mapping[str, Any]:
        """Error of the sums that touch a node, as a share of its reach."""
        sizes = {node.name: size(node.shape) for node in self.graph.nodes}
        few = 4 * len(sizes)
        return {
            node.name: self.numbers.gamma(few + sizes[node.name] + sum(sizes[name] for name in node.inputs))
            for node in self.graph.nodes
        }

    @cached_property
    def shares(self) -> Mapping[str, int]:
        """Nodes whose entries sum to one along the last axis, and its length: a softmax of all differences."""
        return {
            node.name: node.shape[-1]
            for node in self.graph.nodes
            if isinstance(node.op, Softmax) and isinstance(self.graph.by_name[node.inputs[0]].op, Differences)
        }

    @cached_property
    def locals(self) -> Mapping[str, Local]:
        """The nodes whose entries are made of entries near by."""
        shapes = {node.name: node.shape for node in self.graph.nodes}
        found = dict[str, Local]()
        for node in self.graph.nodes:
            arguments = [shapes[name] for name in node.inputs]
            if len(node.shape) < 3 or node.name in self.shares or any(len(s) != len(node.shape) for s in arguments):
                continue
            if isinstance(node.op, Affine):
                local = self.maps[node.name].local
            else:
                local = SAME if all(shape == node.shape for shape in arguments) else None
            if local is not None:
                found[node.name] = local
        return found

    @cached_property
    def whole(self) -> Mapping[str, Crop]:
        """All of every node."""
        return {node.name: Crop(node.shape) for node in self.graph.nodes}

    def relevant(self, rows: Array) -> Mapping[str, Array]:
        """The entries `(n,)` of each node that `rows (S, B, m)` at the output depend on: others need no tight bounds.
        Coefficients that are found by chance to cancel would cost tightness, and prove nothing."""
        chance = np.random.default_rng(0)
        found = {self.graph.output: (rows != 0).any((0, 1))}
        for node in reversed(self.graph.nodes):
            mask = found.get(node.name)
            if mask is None or isinstance(node.op, Input):
                continue
            if isinstance(node.op, Affine):
                weights = self.numbers.array(mask * chance.uniform(1, 2, mask.shape))
                parts = [part[0] != 0 for part in self.maps[node.name].transpose(weights[None])]
            else:
                parts = [np.repeat(mask, self.rules[node.name].group)]
            for name, part in zip(node.inputs, parts, strict=True):
                found[name] = found[name] | part if name in found else part
        return found

    def met(self, start: str, index: Array) -> Mapping[str, Crop]:
        """What walks from the entries `index` of a node meet of each node up to it."""
        return met(self.graph, self.locals, start, index)

    def _named(self, node: Node, make, *args):  # type: ignore[no-untyped-def]
        try:
            return make(node.op, *args, self.numbers)
        except (UnsupportedModel, ValueError) as error:
            raise UnsupportedModel(f"{node.name}: {error}") from error


def without_rule(graph: Graph) -> str:
    """Why the checker can't follow this network; empty where it can."""
    network = Network(graph, Numbers())
    try:
        _ = network.maps, network.rules
    except UnsupportedModel as error:
        return str(error)
    return ""
