"""A program becomes a graph: calls on constants are computed at once, every other one by its row of the table."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from verifier.errors import UnsupportedModel
from verifier.formats.torch import aten
from verifier.formats.torch.memory import Memory
from verifier.formats.torch.ops.shape import SHAPE
from verifier.formats.torch.ops.table import FOLDABLE, TABLE, TRUTHFUL
from verifier.formats.torch.program import Call, Program, bind, substitute
from verifier.formats.torch.site import Blocked, Obstacle, Ref, Site, exact
from verifier.graph.build import Builder
from verifier.graph.graph import Graph

IGNORED = re.compile(r"(_assert_\w+|sym_constrain_range\w*|_assert_tensor_metadata)\..*")


def translate(program: Program, source: str) -> Graph:
    """The graph with float64 parameters. All obstacles are raised together, as one `UnsupportedModel`."""
    walk = Walk(program)
    for call in program.calls:
        walk.step(call)
    output = substitute(program.output, walk.env)
    if not walk.obstacles and isinstance(output, Blocked):
        walk.obstacles.append((Call("output", (), None, "", ""), f"the output is {output.reason}"))
    if walk.obstacles:
        raise UnsupportedModel(report(walk.obstacles, source))
    site = Site(walk.builder, "output", (), "output")
    graph = walk.builder.finish(site.ref(output).node, {"source": source})
    return replace(graph, rounded=(source,))  # which of its parameters were computed is not followed


class Walk:
    """The state between two calls: the graph so far, and every name's value."""

    def __init__(self, program: Program) -> None:
        self.builder = Builder(program.input, program.shape)
        self.env: dict[str, Any] = {name: exact(tensor) for name, tensor in program.tensors.items()}
        self.env[program.input] = Ref(self.builder.input)
        self.memory = Memory(frozenset(program.tensors))
        self.obstacles: list[tuple[Call, str]] = []

    def step(self, call: Call) -> None:
        if IGNORED.fullmatch(call.target):
            return
        result: Any = Blocked()
        try:
            result = self.result(call)
        except Obstacle as obstacle:
            if str(obstacle):
                self.obstacles.append((call, str(obstacle)))
        bound = dict(self.bound(call, result))
        self.memory.follow(call, bound, self.env)
        self.env.update(bound)

    def bound(self, call: Call, result: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(result, Blocked):
            yield from ((name, result) for name in outputs(call.outputs))
        else:
            yield from bind(call.outputs, result)

    def result(self, call: Call) -> Any:
        target = aten.functional(call.target)
        args = tuple(substitute(argument, self.env) for argument in call.arguments)
        if target not in FOLDABLE and target not in aten.PYTHON:
            raise Obstacle("not supported")
        if target in aten.PYTHON and not isinstance(args[0], Blocked):
            return aten.run(target, args)  # an item of a list, which may hold blocked ones besides
        if target not in TABLE and list(within(args, (Ref, Blocked))):
            raise Obstacle("supported on constants only")
        for blocked in within(args, Blocked):
            raise Obstacle(f"uses {blocked.reason}" if blocked.reason else "")
        self.memory.check(call)
        refs = list(within(args, Ref))
        if not refs:
            return folded(target, args)
        if any(ref.truth for ref in refs) and target not in TRUTHFUL:
            raise Obstacle("arithmetic on truth values that depend on the input")
        site = Site(self.builder, target, args, f"{call.module}/{target.partition('.')[0]}".lstrip("/"))
        result = TABLE[target](site, *args)
        return as_truth(result) if target in SHAPE and any(ref.truth for ref in refs) else result


def folded(target: str, args: tuple[Any, ...]) -> Any:
    """PyTorch's own result on constants, in float64; a cast to less than float32 rounds as it does in the program."""
    wide = tuple(torch.float64 if a is torch.float32 else a for a in args)
    wide = aten.replaced(target, wide, device=torch.device("cpu"), pin_memory=None, layout=None)
    with torch.no_grad():
        return settled(aten.run(target, wide))


def settled(result: Any) -> Any:
    if isinstance(result, Tensor):
        return exact(result)
    return [settled(item) for item in result] if isinstance(result, list | tuple) else result


def as_truth(result: Any) -> Any:
    """Moved truth values are truth values."""
    return Ref(result.node, truth=True) if isinstance(result, Ref) else [as_truth(item) for item in result]


def within(value: Any, kind: type | tuple[type, ...]) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from within(item, kind)


def outputs(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from outputs(item)


def report(obstacles: list[tuple[Call, str]], source: str) -> str:
    """One line for every kind of obstacle, with the first places where it occurs."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for call, reason in obstacles:
        where = call.module or "the top module"
        kinds[call.target, reason].append(f"{where} ({call.line})" if call.line else where)
    count = f"{len(kinds)} kind{'s' * (len(kinds) > 1)} of operator {'are' if len(kinds) > 1 else 'is'}"
    lines = [f"{source} can't be loaded as it is. {count} in the way:"]
    for (target, reason), places in kinds.items():
        shown = ", ".join(places[:3]) + (" ..." if len(places) > 3 else "")
        number = f"{len(places)} node{'s' * (len(places) > 1)}"
        lines.append(f"  {target:<24}{number:<10}{shown}: {reason}")
    lines.append("Try to replace them by supported operators, or to take that part out of the module.")
    return "\n".join(lines)
