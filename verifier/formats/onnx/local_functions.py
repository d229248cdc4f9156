"""Functions that a model defines for itself are written out before anything else looks at the graph."""

from collections.abc import Iterable

from onnx import FunctionProto, ModelProto, NodeProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.structure import label, subgraphs

MAX_NODES = 1_000_000  # functions that call functions can grow exponentially

Key = tuple[str, str]


def inline(model: ModelProto) -> ModelProto:
    """The model without calls of its own functions; the model itself where it has none."""
    if not model.functions:
        return model
    functions = {(f.domain, f.name): f for f in model.functions}
    if len(functions) != len(model.functions):
        raise InvalidModel("two functions of the model have the same name")
    sizes: dict[Key, int] = {}
    total = sum(_size(node, functions, sizes, ()) for node in model.graph.node)
    if total > MAX_NODES:
        raise InvalidModel(f"its functions expand to {total:,} nodes; more than {MAX_NODES:,} is refused")
    from onnx.inliner import inline_local_functions

    try:
        return inline_local_functions(model)
    except Exception as error:
        raise InvalidModel(f"its functions can't be expanded ({error})") from error


def _size(node: NodeProto, functions: dict[Key, FunctionProto], sizes: dict[Key, int], path: tuple[Key, ...]) -> int:
    """How many nodes a node becomes."""
    key = (node.domain, node.op_type)
    inner = sum(_size(n, functions, sizes, path) for graph in subgraphs(node) for n in graph.node)
    if key not in functions:
        return 1 + inner
    if key in path or len(path) > 100:
        raise InvalidModel(f"function {node.op_type} calls itself (node {label(node)})")
    if key not in sizes:
        sizes[key] = _sum(functions[key].node, functions, sizes, (*path, key))
    return sizes[key] + inner


def _sum(
    nodes: Iterable[NodeProto], functions: dict[Key, FunctionProto], sizes: dict[Key, int], path: tuple[Key, ...]
) -> int:
    return sum(_size(node, functions, sizes, path) for node in nodes)
