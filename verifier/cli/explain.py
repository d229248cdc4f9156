"""`verify --explain`: what was loaded, what can be bounded and under which conditions, and what would be done."""

from collections import Counter

from verifier.cli.table import aligned
from verifier.formats.layout import text
from verifier.graph.op import Affine, Input, Op
from verifier.model import Model
from verifier.plan import plan
from verifier.problem import last_softmax
from verifier.relaxations.table import RELAXATIONS


def explanation(model: Model, method: str) -> str:
    """The whole answer; `method` names the plan."""
    return "\n\n".join((_about(model), _graph(model), _operators(model), _plan(method)))


def _about(model: Model) -> str:
    graph = model.graph
    lines = [model.source, f"  input   {text(graph.input.shape)}", f"  output  {text(graph.output_shape)}"]
    lines += [f"  {key}: {value}" for key, value in sorted(graph.metadata.items())]
    lines += [f"  note: {note}" for note in model.notes]
    if (softmax := last_softmax(graph)) is not None:
        lines.append(
            f"  note: labels are compared in front of {softmax.name}, the last softmax, which keeps their order"
        )
    return "\n".join(lines)


def _graph(model: Model) -> str:
    rows = [("node", "operator", "shape", "parameters", "arguments")]
    for node in model.graph.nodes:
        size = parameters(node.op)
        rows.append((node.name, node.op.label, text(node.shape), f"{size:,}" if size else "", ", ".join(node.inputs)))
    total = sum(parameters(node.op) for node in model.graph.nodes)
    return f"{aligned(rows)}\n{len(rows) - 1} nodes, {total:,} parameters"


def _operators(model: Model) -> str:
    """One line for each kind of operator."""
    ops = {node.op.label: node.op for node in model.graph.nodes if not isinstance(node.op, Input)}
    counts = Counter(node.op.label for node in model.graph.nodes)
    rows = [("operator", "nodes", "bounds")]
    rows += [(label, str(counts[label]), condition(op)) for label, op in sorted(ops.items())]
    return aligned(rows)


def condition(op: Op) -> str:
    """When the bounds of an operator hold, and what they are."""
    if isinstance(op, Affine):
        return "affine: exact"
    if type(op) in RELAXATIONS:
        return RELAXATIONS[type(op)].conditions or "linear bounds, on every interval"
    return "can't be bounded yet; attacks only"


def parameters(op: Op) -> int:
    """Numbers in the operator's tensors."""
    return sum(value.numel() for value in vars(op).values() if hasattr(value, "numel"))


def _plan(method: str) -> str:
    stages = [f"  {number}. {stage!r}" for number, stage in enumerate(plan(method), 1)]
    return "\n".join([f"plan {method}: each stage works on what is still open", *stages])
