"""The operators that programs call, by their schema: resolved only from names that our own table lists."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch

PYTHON = {
    f"operator.{f.__name__}": f
    for f in (
        operator.getitem,
        operator.add,
        operator.sub,
        operator.mul,
        operator.floordiv,
        operator.mod,
        operator.neg,
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
    )
}  # on numbers and lists only; symbolic sizes need them


def overload(target: str) -> Any:
    """The ATen overload for `name.overload`, or None."""
    name, _, variant = target.partition(".")
    if name == "operator" or not name.isidentifier():
        return None
    found = getattr(getattr(torch.ops.aten, name, None), variant, None)
    return found if isinstance(found, torch._ops.OpOverload) else None


def ordered(target: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """All arguments in the order of the schema, with its defaults."""
    found = overload(target)
    if found is None:
        return (*args, *kwargs.values())
    parameters = found._schema.arguments
    unknown = set(kwargs) - {p.name for p in parameters}
    if unknown or len(args) > len(parameters):
        raise ValueError(f"aten.{target} has no argument {', '.join(unknown) or len(args)}")
    given = {p.name: value for p, value in zip(parameters, args, strict=False)} | dict(kwargs)
    missing = [p.name for p in parameters if p.name not in given and not p.has_default_value()]
    if missing:
        raise ValueError(f"aten.{target} lacks {', '.join(missing)}")
    return tuple(given.get(p.name, p.default_value) for p in parameters)


def run(target: str, arguments: Sequence[Any]) -> Any:
    """PyTorch's own result for arguments in the order of the schema."""
    found = overload(target)
    if found is None:
        return on_values(target, arguments)
    return found(**{p.name: value for p, value in zip(found._schema.arguments, arguments, strict=True)})


def on_values(target: str, arguments: Sequence[Any]) -> Any:
    """Arithmetic of sizes, and items of lists."""
    bounded = all(isinstance(a, int | float) and abs(a) < 2**63 for a in arguments)
    if target != "operator.getitem" and not bounded:
        raise ValueError(f"{target} of something else than numbers of ordinary size")
    return PYTHON[target](*arguments)


def replaced(target: str, arguments: Sequence[Any], **changes: Any) -> tuple[Any, ...]:
    """The arguments with some of them, by the schema's names, changed where the operator has them."""
    found = overload(target)
    if found is None:
        return tuple(arguments)
    return tuple(changes.get(p.name, a) for p, a in zip(found._schema.arguments, arguments, strict=True))


def writes(target: str) -> bool:
    """Whether the operator changes an argument in place."""
    found = overload(target)
    return found is not None and found._schema.is_mutable


def returns_view(target: str) -> bool:
    """Whether the result may share memory with an argument, as far as the schema says."""
    found = overload(target)
    return found is not None and any(p.alias_info is not None for p in found._schema.returns)


def functional(target: str) -> str:
    """The operator that returns what this one writes: `relu_.default` is `relu.default`."""
    if not writes(target):
        return target
    name, _, variant = target.partition(".")
    return f"{name.removesuffix('_')}.{variant}"
