"""`load_onnx`: from a file to a `Model`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto

from verifier.errors import InputError, InvalidModel, VerifierError
from verifier.formats.onnx.batch import possible_batch, rows_agree, single
from verifier.formats.onnx.call import Context
from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.onnx.external import embed_external
from verifier.formats.onnx.initial import initial_values
from verifier.formats.onnx.inputs import Feed, feeds_of, start
from verifier.formats.onnx.local_functions import inline
from verifier.formats.onnx.source import read_model
from verifier.formats.onnx.structure import initializer_names, reads, sort_nodes
from verifier.formats.onnx.translate import Walk, named, report
from verifier.formats.onnx.values import Const, Sequence, Wire, type_name
from verifier.graph.graph import Graph
from verifier.model import Model


def load_onnx(
    path: str | Path, output: str | None = None, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Model:
    """Load an ONNX file (`.onnx` or `.onnx.gz`) as a `Model`.

    Requires: static shapes once open sizes are one; float inputs. `output` names one of several outputs, the first is
    taken otherwise; `shapes` gives sizes by input name where one is no sensible choice for an open axis.
    Raises: `InvalidModel` for a broken file, `UnsupportedModel` with a list of all obstacles.
    """
    path = Path(path)
    try:
        return _load(path, output, dict(shapes or {}))
    except VerifierError as error:
        if str(error).startswith((path.name, str(path))):
            raise
        raise type(error)(f"{path.name}: {error}") from error


def _load(path: Path, output: str | None, shapes: dict[str, tuple[int, ...]]) -> Model:
    model = inline(read_model(path))
    for node in model.graph.node:
        if node.domain == "ai.onnx":  # the default domain by its other name, which not all engines know
            node.domain = ""
    embed_external(model, path.parent)
    feeds, notes = feeds_of(model, shapes)
    name, more = choose_output(model, output)
    notes += more + remarks(model, feeds)
    prune(model, name, feeds)
    group = None if shapes else possible_batch(model, feeds)
    if group is not None:
        found = _as_batch(model, name, feeds, group, path)
        if found is not None:
            return replace(found, notes=(*notes, *found.notes))
        notes.append(f"the leading size {group} was kept: outputs do not belong to one row of the input each")
    try:
        graph, decided = translate(model, name, feeds, path.name)
    except InvalidModel as error:
        if shapes or not any(axis for feed in feeds for axis in feed.open_axes):
            raise
        raise InvalidModel(
            f"{error}. Perhaps because of sizes that were chosen: {'; '.join(notes)}. To fix them in the file: "
            "python -m onnxruntime.tools.make_dynamic_shape_fixed IN.onnx OUT.onnx --dim_param NAME --dim_value SIZE"
        ) from error
    return Model(graph, OrtEvaluator(model, feeds, name), str(path), (*notes, *decided))


def _as_batch(model: ModelProto, output: str, feeds: tuple[Feed, ...], group: int, path: Path) -> Model | None:
    """The model with one row instead of `group`, if the file treats its rows independently."""
    one = single(feeds)
    try:
        graph, notes = translate(model, output, one, path.name)
    except VerifierError:
        return None
    evaluator = OrtEvaluator(model, one, output, group)
    if not rows_agree(graph, evaluator, group):
        return None
    decided = f"the leading size {group} of the input is a batch axis (checked in {evaluator.name}); it was taken as 1"
    return Model(graph, evaluator, str(path), (*notes, decided))


def remarks(model: ModelProto, feeds: tuple[Feed, ...]) -> list[str]:
    """What a user should know about the file as a whole."""
    notes = []
    if model.training_info:
        del model.training_info[:]
        notes.append("the file's training information was passed over")
    for type in sorted({feed.type for feed in feeds} - {TensorProto.FLOAT}):
        notes.append(f"the file computes in {type_name(type)}; results hold for real numbers with its weights")
    return notes


def choose_output(model: ModelProto, output: str | None) -> tuple[str, list[str]]:
    """The output to verify, and a note where there was a choice."""
    names = [info.name for info in model.graph.output]
    if output is not None:
        if output not in names:
            raise InputError(f"no output is called {output!r}; the model's outputs are {', '.join(names)}")
        return output, []
    others = f"the first of {len(names)} outputs, {names[0]}, was taken; others: {', '.join(names[1:])}"
    return names[0], [others] if len(names) > 1 else []


def prune(model: ModelProto, output: str, feeds: tuple[Feed, ...]) -> None:
    """Keep only what the output needs, sorted, in place: neither we nor another engine ever sees the rest."""
    graph = model.graph
    nodes = sort_nodes(graph, [output], {feed.name for feed in feeds} | set(initializer_names(graph)))
    if len(nodes) != len(graph.node) or any(a is not b for a, b in zip(nodes, graph.node, strict=True)):
        copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    needed = {output}.union(*(reads(node) for node in graph.node))
    keep_only(graph.initializer, lambda tensor: tensor.name in needed)
    keep_only(graph.sparse_initializer, lambda tensor: tensor.values.name in needed)
    keep_only(graph.output, lambda info: info.name == output)


def keep_only(items: Any, wanted: Callable[[Any], bool]) -> None:
    """Delete the others from a repeated field, without copying what stays."""
    for i in reversed(range(len(items))):
        if not wanted(items[i]):
            del items[i]


def translate(model: ModelProto, output: str, feeds: tuple[Feed, ...], file: str) -> tuple[Graph, list[str]]:
    """The graph of a sorted model and notes on decisions; all obstacles in one error."""
    names = {name for node in model.graph.node for name in node.output} | {feed.name for feed in feeds}
    builder, wires = start(feeds, frozenset(names))
    opset = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in model.opset_import}
    if not opset:
        raise InvalidModel("declares no operator set")
    context = Context(builder, opset, frozenset(names))
    walk = Walk(context, {**initial_values(model), **wires})
    walk.run(model.graph.node)
    walk.require(output)
    if walk.obstacles:
        raise report(file, walk.obstacles)
    value = walk.values[output]
    if isinstance(value, Sequence):
        raise InvalidModel(f"the output {output!r} is a sequence, not a tensor")
    wire = value if isinstance(value, Wire) else constant_output(context, model, value)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return named(builder.finish(wire.node, metadata), context.final), context.notes


def constant_output(context: Context, model: ModelProto, value: Const) -> Wire:
    """A network that ignores its input is odd but no error."""
    node = context.builder.constant(value.tensor(), model.graph.output[0].name)
    return Wire(node, value.shape, value.type)
