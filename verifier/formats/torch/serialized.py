"""The inside of a `.pt2` file: the JSON of an exported program, schema version 8, becomes a `Program`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verifier.errors import InvalidModel, UnsupportedModel
from verifier.formats.torch import aten
from verifier.formats.torch.archive import DTYPES, Archive
from verifier.formats.torch.exported import line_of
from verifier.formats.torch.program import Call, Name, Program

SCHEMA = 8
MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists")


@dataclass(frozen=True)
class Foreign:
    """An argument of a kind that no supported operator takes: a subgraph, a custom object."""

    kind: str


def read_program(archive: Archive) -> tuple[Program, torch.dtype]:
    """The program, and the precision that it computes in."""
    name = archive.program_name()
    content = archive.json(f"models/{name}.json")
    version = content["schema_version"]["major"]
    if version != SCHEMA:
        raise UnsupportedModel(f"{archive.path.name} has schema version {version}; {SCHEMA} is supported")
    module = content["graph_module"]
    graph, signature = module["graph"], module["signature"]
    stored = {**archive.tensors("constants", name), **archive.tensors("weights", name)}
    inputs, tensors = read_inputs(signature["input_specs"], stored)
    output = read_outputs(signature["output_specs"])
    meta = graph["tensor_values"][inputs]
    shape, notes = read_shape(meta["sizes"])
    dtype = DTYPES.get(meta["dtype"])
    if dtype is None or not dtype.is_floating_point:
        raise UnsupportedModel(f"{archive.path.name}: its input is no tensor of floating-point numbers")
    calls = tuple(read_call(node) for node in graph["nodes"])
    return Program(inputs, shape, tensors, calls, output, notes), dtype


def read_inputs(specs: list[dict[str, Any]], stored: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The name of the only input, and the stored tensors by the names that the graph has for them."""
    users: list[Any] = []
    tensors = {}
    for spec in specs:
        ((kind, body),) = spec.items()
        if kind == "user_input":
            users.append(argument(body["arg"]))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            origin = body[f"{kind}_name"]
            if origin not in stored:
                raise InvalidModel(f"{origin}: the archive holds no such tensor")
            tensors[body["arg"]["name"]] = stored[origin]
        else:
            users.append(Foreign(kind))
    if len(users) != 1 or not isinstance(users[0], Name):
        raise UnsupportedModel(f"the program takes {len(users)} inputs; one tensor is supported")
    return users[0].text, tensors


def read_outputs(specs: list[dict[str, Any]]) -> Name:
    found = [(kind, body) for spec in specs for kind, body in spec.items()]
    changed = [kind for kind, _ in found if kind != "user_output"]
    if changed:
        raise UnsupportedModel(f"the program has side effects: {', '.join(sorted(set(changed)))}")
    values = [argument(body["arg"]) for _, body in found]
    if len(values) != 1 or not isinstance(values[0], Name):
        raise UnsupportedModel(f"the program returns {len(values)} values; one tensor is supported")
    return values[0]


def read_shape(sizes: list[dict[str, Any]]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """A symbolic first axis is a batch, and one row of it our input; other symbolic sizes are those of the example."""
    known: dict[str, int] = {}
    notes = []
    shape = []
    for axis, size in enumerate(sizes):
        if "as_int" in size:
            shape.append(size["as_int"])
            continue
        symbol, hint = size["as_expr"]["expr_str"], size["as_expr"].get("hint") or {}
        if symbol not in known:
            known[symbol] = 1 if axis == 0 else hint.get("as_int", 0)
            notes.append(f"axis {axis} of the input has a symbolic size; {known[symbol]} is taken")
        shape.append(known[symbol])
    if not all(isinstance(n, int) and 0 < n < 2**31 for n in shape):
        raise UnsupportedModel(f"an input of shape {shape}: some size is missing")
    return tuple(shape), tuple(notes)


def read_call(node: dict[str, Any]) -> Call:
    target = read_target(node["target"])
    named = {entry["name"]: argument(entry["arg"]) for entry in node["inputs"]}
    if aten.overload(target) is None:
        arguments = tuple(argument(entry["arg"]) for entry in node["inputs"])
    else:
        arguments = aten.ordered(target, (), named)
    results = [output_names(argument(output)) for output in node["outputs"]]
    stack = node["metadata"].get("nn_module_stack", "").split(";")[-1].split(",")
    line = line_of(node["metadata"].get("stack_trace"))
    return Call(target, arguments, results[0] if len(results) == 1 else results, stack[1] if stack[1:] else "", line)


def read_target(text: str) -> str:
    """`torch.ops.aten.name.overload` without its beginning; `_operator.name` as we call it."""
    for prefix, ours in (("torch.ops.aten.", ""), ("_operator.", "operator.")):
        if text.startswith(prefix):
            return ours + text.removeprefix(prefix)
    return text


def output_names(value: Any) -> Any:
    if isinstance(value, Name):
        return value.text
    return [output_names(item) for item in value] if isinstance(value, list) else None


def argument(value: dict[str, Any]) -> Any:
    """One serialised argument: a dictionary with its kind as the only key."""
    ((kind, body),) = value.items()
    if kind in PLAIN:
        return body
    match kind:
        case "as_none":
            return None
        case "as_tensor" | "as_name":
            return Name(body["name"] if isinstance(body, dict) else body)
        case "as_tensors":
            return [Name(item["name"]) for item in body]
        case "as_optional_tensors" | "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return [argument(item) for item in body]
        case "as_optional_tensor" | "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return argument(body)
        case "as_float":
            return float(body)
        case "as_floats":
            return [float(item) for item in body]
        case "as_scalar_type":
            return DTYPES[body] if body in DTYPES else Foreign(f"dtype {body}")
        case "as_device":
            return torch.device("cpu")
        case "as_layout":
            return torch.strided
        case "as_memory_format":
            return MEMORY_FORMATS.get(body)
        case _:
            return Foreign(kind)
