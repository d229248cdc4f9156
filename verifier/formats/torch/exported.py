"""From a module to a program, by `torch.export`."""

import operator
import os
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from verifier.errors import UnsupportedModel
from verifier.formats.torch import aten
from verifier.formats.torch.program import Call, Name, Program

FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def export_module(module: nn.Module, example: Tensor) -> Any:
    """What torch.export makes of `module` in its present mode."""
    try:
        with torch.no_grad():
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:
        raise UnsupportedModel(failure(type(module).__name__, error)) from error


def writes_in_place(exported: Any) -> bool:
    """Whether some operator of the program changes one of its arguments."""
    return any(isinstance(n.target, torch._ops.OpOverload) and n.target._schema.is_mutable for n in calls(exported))


def failure(name: str, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return "\n".join(
        [
            f"{name} can't be exported: {type(error).__name__}: {lines[0][:300]}",
            *(f"  {line[:300]}" for line in lines[1:2]),
            "Try a forward without `if` or loops on values of tensors; torch.export.export(module, (x,)) must work.",
        ]
    )


def calls(exported: Any) -> list[Any]:
    return [node for node in exported.graph.nodes if node.op == "call_function"]


def from_exported(exported: Any, name: str) -> Program:
    """The exported program as plain data."""
    signature = exported.graph_signature
    inputs = list(signature.user_inputs)
    outputs = list(signature.user_outputs)
    require_one(name, inputs, outputs)
    if signature.buffers_to_mutate:
        raise UnsupportedModel(
            f"{name} changes its own buffers when it runs: {', '.join(signature.buffers_to_mutate.values())}"
        )
    placeholder = next(node for node in exported.graph.nodes if node.name == inputs[0])
    return Program(
        input=inputs[0],
        shape=tuple(placeholder.meta["val"].shape),
        tensors=stored(exported),
        calls=tuple(to_call(node) for node in calls(exported)),
        output=Name(outputs[0]),
    )


def require_one(name: str, inputs: list[Any], outputs: list[Any]) -> None:
    for what, found in (("takes", inputs), ("returns", outputs)):
        if len(found) != 1 or not isinstance(found[0], str):
            raise UnsupportedModel(
                f"{name} {what} {len(found)} values. One tensor is supported. Try to wrap it in a module with one."
            )


def stored(exported: Any) -> Mapping[str, Tensor]:
    """Weights, buffers and constants by the names of their placeholders."""
    signature = exported.graph_signature
    origins = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    origins |= signature.inputs_to_lifted_tensor_constants
    values = {**exported.constants, **exported.state_dict}
    return {place: values[origin] for place, origin in origins.items()}


def to_call(node: Any) -> Call:
    target = target_of(node.target)
    args = tuple(argument(a) for a in node.args)
    kwargs = {key: argument(a) for key, a in node.kwargs.items()}
    path = [entry[0] for entry in (node.meta.get("nn_module_stack") or {}).values()]
    return Call(
        target,
        aten.ordered(target, args, kwargs),
        node.name,
        path[-1] if path else "",
        line_of(node.meta.get("stack_trace")),
    )


def target_of(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        return f"{target._schema.name.partition('::')[2]}.{target._overloadname}"
    if getattr(target, "__module__", "") in ("_operator", operator.__name__):
        return f"operator.{target.__name__}"
    return str(target)


def argument(value: Any) -> Any:
    if isinstance(value, torch.fx.Node):
        return Name(value.name)
    if isinstance(value, list | tuple):
        return [argument(item) for item in value]
    return value


def line_of(trace: str | None) -> str:
    """The innermost line of a stack trace that is not PyTorch's own."""
    frames = [(path, line) for path, line in FRAME.findall(trace or "") if "-packages/torch/" not in path]
    return f"{os.path.basename(frames[-1][0])}:{frames[-1][1]}" if frames else ""
