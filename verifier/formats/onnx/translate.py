"""The walk over a file's nodes: constants are folded, everything else is handed to its translator.

A node that can't be translated does not end the walk: its obstacle is noted, nodes behind it are passed over, and the
user gets one message with all obstacles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from onnx import NodeProto

from verifier.errors import InvalidModel, UnsupportedModel, VerifierError
from verifier.formats.onnx.call import Call, Context, Obstacle
from verifier.formats.onnx.expand import definition
from verifier.formats.onnx.fold import fold
from verifier.formats.onnx.structure import label, reads, sort_nodes
from verifier.formats.onnx.table import TRANSLATORS, key
from verifier.formats.onnx.values import Const, Value, Wire, decode
from verifier.formats.onnx.widths import within_width
from verifier.graph.graph import Graph


@dataclass(frozen=True)
class Found:
    """One obstacle: a node and what is wrong with it."""

    node: NodeProto
    opset: int
    why: str


class Walk:
    """State of one translation: what every name stands for, and the obstacles so far."""

    def __init__(self, context: Context, values: Mapping[str, Value]) -> None:
        self.context = context
        self.values: dict[str, Value] = dict(values)
        self.failed: set[str] = set()
        self.obstacles: list[Found] = []
        self.absent: set[str] = {""}  # names of optional inputs that nobody gave
        self._unproduced: dict[str, NodeProto] = {}  # outputs that a translator left out

    def run(self, nodes: Sequence[NodeProto]) -> None:
        for node in nodes:
            self.step(node)

    def step(self, node: NodeProto) -> None:
        names = reads(node)
        for name in names:
            self.require(name)
        if any(name in self.failed for name in names):
            self.failed.update(node.output)
            return
        try:
            outputs = self._translate(node)
        except Obstacle as obstacle:
            self.obstacle(node, str(obstacle))
            return
        except Skipped:
            self.failed.update(node.output)
            return
        except VerifierError:
            raise
        except Exception as error:  # torch and numpy on shapes that don't fit
            text = str(error).split("\n")[0][:300] or type(error).__name__
            raise InvalidModel(f"node {label(node)} ({node.op_type}) does not fit its inputs: {text}") from error
        for name, value in zip(node.output, outputs, strict=False):
            if name:
                self.values[name] = value
                if isinstance(value, Wire):
                    self.context.final.setdefault(value.node, name)
        self._unproduced.update((name, node) for name in node.output[len(outputs) :] if name)

    def require(self, name: str) -> None:
        """Note an obstacle where `name` is an output that its translator does not compute."""
        if name in self._unproduced:
            self.obstacle(self._unproduced.pop(name), f"its output {name!r} is not supported")
            self.failed.add(name)

    def obstacle(self, node: NodeProto, why: str) -> None:
        opset = self.context.opset.get(node.domain, self.context.opset.get("", 0))
        self.obstacles.append(Found(node, opset, why))
        self.failed.update(name for name in node.output if name and name not in self.values)

    def _translate(self, node: NodeProto) -> tuple[Value, ...]:
        call = Call(self.context, node, [None if name in self.absent else self.values[name] for name in node.input])
        folded = fold(call)
        if folded is not None:
            for value in folded:
                if isinstance(value, Const):
                    self.context.spend(value.shape)
            return folded
        if key(node.domain, node.op_type) == "If":
            return self._branch(call)
        translator = TRANSLATORS.get(key(node.domain, node.op_type))
        if translator is None:
            return self._expanded(call)
        known = len(self.context.made)
        result = translator(call)
        unread = call.unread()
        if unread:
            raise Obstacle(f"{', '.join(unread)} is not supported")
        made = list(self.context.made)[known:]
        return tuple(within_width(call, value, made) for value in (result if isinstance(result, tuple) else (result,)))

    def _branch(self, call: Call) -> tuple[Value, ...]:
        """An `If` whose condition is known is the branch that it takes."""
        condition = call.constant(0, "condition")
        if condition.array.size != 1:
            raise InvalidModel(f"node {call.name}: a condition with {condition.array.size} entries")
        graph = call.attr_graph("then_branch" if condition.array.reshape(()) else "else_branch")
        names = [info.name for info in graph.output]
        own = {tensor.name: decode(tensor, f"initializer {tensor.name!r}") for tensor in graph.initializer}
        self.values.update(own)
        self.run(sort_nodes(graph, names, set(self.values) | self.failed))
        if any(name in self.failed for name in names):
            raise Skipped
        return tuple(self.values[name] for name in names)

    def _expanded(self, call: Call) -> tuple[Value, ...]:
        """An operator that ONNX defines by others is translated as these, in a scope of its own."""
        body = definition(call)
        if body is None:
            raise Obstacle("unknown operator" if call.node.domain not in ("", "ai.onnx") else "not supported")
        opset = {**self.context.opset, **{entry.domain: entry.version for entry in body.opset_import}}
        scope = {name: call.any(i) for i, name in enumerate(body.input)}
        inner = Walk(replace(self.context, opset=opset, final={}), {})
        inner.values = {name: value for name, value in scope.items() if value is not None}
        inner.absent |= {name for name, value in scope.items() if value is None}
        inner.run(body.node)
        if inner.obstacles:
            first = inner.obstacles[0]
            raise Obstacle(f"its part {first.node.op_type}: {first.why}")
        return tuple(inner.values[name] for name in body.output if name in inner.values)


class Skipped(Exception):
    """A branch holds an obstacle, which is noted already."""


def named(graph: Graph, final: Mapping[str, str]) -> Graph:
    """The graph with the file's own tensor names."""
    taken: dict[str, str] = {graph.input.name: graph.input.name}
    used = {graph.input.name}
    for node in graph.nodes[1:]:
        name = final.get(node.name, node.name)
        taken[node.name] = node.name if name in used else name
        used.add(taken[node.name])
    nodes = tuple(
        replace(node, name=taken[node.name], inputs=tuple(taken[i] for i in node.inputs)) for node in graph.nodes
    )
    return Graph(nodes, taken[graph.output], graph.metadata)


def report(name: str, obstacles: Sequence[Found]) -> UnsupportedModel:
    """One error that lists everything in the way, grouped by operator and reason."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for found in obstacles:
        title = key(found.node.domain, found.node.op_type)
        groups.setdefault((f"{title} (opset {found.opset})", found.why), []).append(found)
    kinds = "1 kind of node is" if len(groups) == 1 else f"{len(groups)} kinds of node are"
    width = max(len(title) for title, _ in groups)
    lines = [f"{name} can't be loaded. {kinds} in the way:"]
    for (title, why), members in groups.items():
        names = ", ".join(label(m.node) for m in members[:3]) + (", ..." if len(members) > 3 else "")
        count = f"{len(members)} node" + ("s" if len(members) > 1 else "")
        lines.append(f"  {title:<{width}}  {count:<9} {names}: {why}")
    lines.append(f"Everything before {label(obstacles[0].node)} is supported.")
    return UnsupportedModel("\n".join(lines))
