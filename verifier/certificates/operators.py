"""A network with the checker's own operators: a map for every affine node, a rule for every nonlinear one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from verifier.certificates.affine import Map, mapped, size
from verifier.certificates.numbers import Numbers
from verifier.certificates.rule import Rule
from verifier.certificates.rules import rule
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine
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
