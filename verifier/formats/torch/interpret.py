"""Runs a program's calls one by one with PyTorch's own operators: the independent engine for `.pt2` files."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from verifier.errors import InvalidModel
from verifier.formats.torch import aten
from verifier.formats.torch.program import Program, bind, substitute
from verifier.formats.torch.shapes import SHAPES
from verifier.formats.torch.translate import IGNORED
from verifier.graph.build import MAX_ENTRIES


def interpret(program: Program, x: Tensor) -> Tensor:
    """The program's output on one input, in its own dtypes."""
    out: Tensor = walk(program, x, dict(program.tensors), aten.run, torch.device("cpu"))
    return out


def rehearse(program: Program, dtype: torch.dtype) -> None:
    """Run the program without numbers: calls that fail, and tensors beyond all bounds, are found at no cost."""
    blank = {name: torch.empty_like(tensor, device="meta") for name, tensor in program.tensors.items()}
    walk(program, torch.empty(program.shape, dtype=dtype, device="meta"), blank, shaped, torch.device("meta"))


def shaped(target: str, arguments: Sequence[Any]) -> Any:
    """The result's shape, for arguments without data."""
    rule = SHAPES.get(aten.functional(target))
    if rule is None or not any(True for _ in flat(arguments)):
        return aten.run(target, arguments)
    return rule(*arguments)


Run = Callable[[str, Sequence[Any]], Any]


def walk(program: Program, x: Tensor, env: dict[str, Any], run: Run, device: torch.device) -> Any:
    env[program.input] = x
    entries = 0
    for call in program.calls:
        if IGNORED.fullmatch(call.target):
            continue
        try:
            args = aten.replaced(call.target, substitute(call.arguments, env), device=device, pin_memory=None)
            result = run(call.target, args)
            env.update(bind(call.outputs, result))
        except Exception as error:
            raise InvalidModel(f"{call.target} ({call.module}): {str(error).splitlines()[0][:200]}") from error
        entries += sum(item.numel() for item in flat(result))
        if entries > MAX_ENTRIES:
            raise InvalidModel(f"{call.target}: more than {MAX_ENTRIES:,} entries in all are refused")
    if program.output.text not in env:
        raise InvalidModel(f"the output {program.output.text!r} is computed nowhere")
    return env[program.output.text]


def flat(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [t for item in result for t in flat(item)] if isinstance(result, list | tuple) else []
