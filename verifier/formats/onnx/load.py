"""`load_onnx`: from a file to a `Model`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto

from verifier.errors import InputError, InvalidModel, UnsupportedModel, VerifierError
from verifier.formats.onnx.batch import possible_batch, rows_agree, single
from verifier.formats.onnx.call import Context
from verifier.formats.onnx.engine import as_one_node
from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.onnx.external import embed_external
from verifier.formats.onnx.initial import initial_values
from verifier.formats.onnx.inputs import Feed, feeds_of, start
from verifier.formats.onnx.local_functions import inline
from verifier.formats.onnx.source import read_model
from verifier.formats.onnx.structure import initializer_names, reads, sort_nodes
from verifier.formats.onnx.translate import Walk, named, report
from verifier.formats.onnx.values import Sequence as Listed
from verifier.formats.onnx.values import Tensorial, Wire, type_name
from verifier.graph.graph import Graph
from verifier.graph.ops.shape import Concat, Reshape
from verifier.model import Model


@dataclass(frozen=True)
class Wanted:
    """What is asked of a file: `tensors` by name, outputs or inner ones, joined flat where they are several; sizes of
    inputs by name where one is no choice for an open axis. `check` sees what the tensors turned out to be. With
    `anyway` a file that can't be translated is loaded as one node that another engine runs.
    """

    tensors: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()
    check: Callable[[Mapping[str, Tensorial]], None] = lambda _: None
    anyway: bool = False


def load_onnx(
    path: str | Path, output: str | None = None, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Model:
    """Load an ONNX file (`.onnx` or `.onnx.gz`) as a `Model`.

    Requires: static shapes once open sizes are one; float inputs. `output` names one of several outputs, the first is
    taken otherwise; `shapes` gives sizes by input name where one is no sensible choice for an open axis.
    Raises: `InvalidModel` for a broken file, `UnsupportedModel` with a list of all obstacles.
    """

    def choose(model: ModelProto) -> Wanted:
        name, notes = choose_output(model, output)
        return Wanted((name,), dict(shapes or {}), tuple(notes))

    return load_tensors(path, choose)


def load_tensors(path: str | Path, choose: Callable[[ModelProto], Wanted]) -> Model:
    """As `load_onnx`, of the tensors that `choose` wants of the file. One keeps its shape, several are joined flat."""
    path = Path(path)
    try:
        return _load(path, choose)
    except VerifierError as error:
        if str(error).startswith((path.name, str(path))):
            raise
        raise type(error)(f"{path.name}: {error}") from error


def _load(path: Path, choose: Callable[[ModelProto], Wanted]) -> Model:
    model = inline(read_model(path))
    for node in model.graph.node:
        if node.domain == "ai.onnx":  # the default domain by its other name, which not all engines know
            node.domain = ""
    embed_external(model, path.parent)
    wanted = choose(model)
    feeds, notes = feeds_of(model, wanted.shapes)
    notes += [*wanted.notes, *remarks(model, feeds)]
    prune(model, wanted.tensors, feeds)
    group = None if wanted.shapes or len(wanted.tensors) > 1 else possible_batch(model, feeds)
    if group is not None:
        batched = _as_batch(model, wanted, feeds, group, path)
        if batched is not None:
            return replace(batched, notes=(*notes, *batched.notes))
        notes.append(f"the leading size {group} was kept: outputs do not belong to one row of the input each")
    evaluator = OrtEvaluator(model, feeds, wanted.tensors)
    try:
        graph, decided = translate(model, wanted, feeds, path.name)
    except UnsupportedModel as error:
        if not wanted.anyway:
            raise
        graph, found = as_one_node(model, feeds, wanted.tensors, evaluator, error)
        wanted.check(found)
        decided = [f"{error}\nSo nothing can be proved; {evaluator.name} runs it on inputs that may be witnesses"]
    except InvalidModel as error:
        if wanted.shapes or not any(axis for feed in feeds for axis in feed.open_axes):
            raise
        raise InvalidModel(
            f"{error}. Perhaps because of sizes that were chosen: {'; '.join(notes)}. To fix them in the file: "
            "python -m onnxruntime.tools.make_dynamic_shape_fixed IN.onnx OUT.onnx --dim_param NAME --dim_value SIZE"
        ) from error
    return Model(graph, evaluator, str(path), (*notes, *decided))


def _as_batch(model: ModelProto, wanted: Wanted, feeds: tuple[Feed, ...], group: int, path: Path) -> Model | None:
    """The model with one row instead of `group`, if the file treats its rows independently."""
    one = single(feeds)
    try:
        graph, notes = translate(model, wanted, one, path.name)
    except VerifierError:
        return None
    evaluator = OrtEvaluator(model, one, wanted.tensors, group)
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


def prune(model: ModelProto, outputs: Sequence[str], feeds: tuple[Feed, ...]) -> None:
    """Keep only what the outputs need, sorted, in place: neither we nor another engine ever sees the rest."""
    graph = model.graph
    nodes = sort_nodes(graph, list(outputs), {feed.name for feed in feeds} | set(initializer_names(graph)))
    if len(nodes) != len(graph.node) or any(a is not b for a, b in zip(nodes, graph.node, strict=True)):
        copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    needed = set(outputs).union(*(reads(node) for node in graph.node))
    unused = set(initializer_names(graph)) - needed
    keep_only(graph.input, lambda info: info.name not in unused)
    keep_only(graph.initializer, lambda tensor: tensor.name in needed)
    keep_only(graph.sparse_initializer, lambda tensor: tensor.values.name in needed)
    keep_only(graph.output, lambda info: info.name in outputs)
    for name in set(outputs) - {info.name for info in graph.output}:
        graph.output.add().name = name  # an inner tensor; engines infer its type


def keep_only(items: Any, wanted: Callable[[Any], bool]) -> None:
    """Delete the others from a repeated field, without copying what stays."""
    for i in reversed(range(len(items))):
        if not wanted(items[i]):
            del items[i]


def translate(model: ModelProto, wanted: Wanted, feeds: tuple[Feed, ...], file: str) -> tuple[Graph, list[str]]:
    """The graph of a sorted model and notes on decisions; all obstacles in one error."""
    names = {name for node in model.graph.node for name in node.output} | {feed.name for feed in feeds}
    builder, wires = start(feeds, frozenset(names))
    opset = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in model.opset_import}
    if not opset:
        raise InvalidModel("declares no operator set")
    context = Context(builder, opset, frozenset(names))
    walk = Walk(context, {**initial_values(model), **wires})
    walk.run(model.graph.node)
    for name in wanted.tensors:
        walk.require(name)
    if walk.obstacles:
        raise report(file, walk.obstacles)
    found: dict[str, Tensorial] = {}
    for name in wanted.tensors:
        value = walk.values[name]
        if isinstance(value, Listed):
            raise InvalidModel(f"the output {name!r} is a sequence, not a tensor")
        found[name] = value
    wanted.check(found)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    graph = named(builder.finish(output_of(context, found), metadata), context.final)
    return replace(graph, rounded=tuple(dict.fromkeys(context.rounded))), context.notes


def output_of(context: Context, found: Mapping[str, Tensorial]) -> str:
    """The node of the only tensor, or of all of them, flat, one behind the other."""
    nodes = [constant_output(context, name, value).node for name, value in found.items()]
    if len(nodes) == 1:
        return nodes[0]
    builder = context.builder
    sizes = [math.prod(value.shape) for value in found.values()]
    flat = [builder.add(Reshape((n,)), node, name=f"{node}~flat") for n, node in zip(sizes, nodes, strict=True)]
    return builder.add(Concat(0), *flat, name="tensors")


def constant_output(context: Context, name: str, value: Tensorial) -> Wire:
    """A network that ignores its input is odd but no error."""
    if isinstance(value, Wire):
        return value
    return Wire(context.builder.constant(value.tensor(), name), value.shape, value.type)
