"""Is the file a graph at all? Unique names, no dangling input, no cycle; and only what the output needs is kept."""

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto

from verifier.errors import InvalidModel


def sort_nodes(graph: GraphProto, wanted: list[str], known: set[str]) -> list[NodeProto]:
    """The nodes that `wanted` needs, each behind those that it reads. `known`: names that exist without a node."""
    producer = _producers(graph, known)
    order: list[NodeProto] = []
    state: dict[int, int] = {}  # node id -> 1 while its inputs are visited, 2 when done
    for name in wanted:
        _visit(name, producer, known, state, order)
    return order


def initializer_names(graph: GraphProto) -> list[str]:
    return [tensor.name for tensor in graph.initializer] + [s.values.name for s in graph.sparse_initializer]


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def reads(node: NodeProto) -> list[str]:
    """Names that a node needs, with those that its subgraphs take from outside."""
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        names += free_names(graph)
    return names


def free_names(graph: GraphProto) -> list[str]:
    own = {value.name for value in graph.input} | set(initializer_names(graph))
    own.update(name for node in graph.node for name in node.output)
    return [name for node in graph.node for name in reads(node) if name not in own] + [
        value.name for value in graph.output if value.name not in own
    ]


def label(node: NodeProto) -> str:
    """What a message calls a node: its name, else its first output."""
    return node.name or next((name for name in node.output if name), node.op_type)


def _producers(graph: GraphProto, known: set[str]) -> dict[str, NodeProto]:
    producer: dict[str, NodeProto] = {}
    for node in graph.node:
        for name in node.output:
            if not name:
                continue
            if name in producer:
                raise InvalidModel(f"two nodes produce {name!r}: {label(producer[name])} and {label(node)}")
            if name in known:
                raise InvalidModel(f"node {label(node)} produces {name!r}, which is an input or initializer already")
            producer[name] = node
    return producer


def _visit(
    start: str, producer: dict[str, NodeProto], known: set[str], state: dict[int, int], order: list[NodeProto]
) -> None:
    """Depth first without recursion: a hostile file may be a chain of a million nodes."""
    if start not in producer:
        if start not in known:
            raise InvalidModel(f"the output {start!r} is produced by no node")
        return
    stack = [(producer[start], iter(reads(producer[start])))]
    if state.setdefault(id(producer[start]), 1) == 2:
        return
    while stack:
        node, names = stack[-1]
        for name in names:
            before = producer.get(name)
            if before is None:
                if name not in known:
                    raise InvalidModel(f"node {label(node)} ({node.op_type}) reads {name!r}, which nothing produces")
            elif (seen := state.get(id(before))) == 1:
                raise InvalidModel(f"the graph has a cycle through {name!r} (node {label(before)})")
            elif seen is None:
                state[id(before)] = 1
                stack.append((before, iter(reads(before))))
                break
        else:
            state[id(node)] = 2
            order.append(node)
            stack.pop()
