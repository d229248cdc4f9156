"""A PyTorch program as plain data: calls of ATen operators in order. Both sources of programs end here.

A value in a call's arguments is a number, a string, a torch dtype, None, a list of values, or a `Name` that an earlier
call, the input or a stored tensor has defined.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Name:
    """Stands for an earlier value."""

    text: str


@dataclass(frozen=True)
class Call:
    """One operator call. `target` is `name.overload` of ATen, or `operator.getitem` and its like on Python values."""

    target: str
    arguments: tuple[Any, ...]  # in the order of the operator's schema, defaults filled in
    outputs: Any  # a name, None, or a list of these, shaped as the operator's result
    module: str  # path of the submodule that made the call, "" at the top
    line: str  # the user's source line, "" if unknown


@dataclass(frozen=True, eq=False)
class Program:
    """`tensors` are the stored weights, buffers and constants, in the dtypes of the file."""

    input: str
    shape: tuple[int, ...]
    tensors: Mapping[str, Tensor]
    calls: tuple[Call, ...]
    output: Any  # as an argument of a call
    notes: tuple[str, ...] = ()


def names(value: Any) -> Iterator[str]:
    """All names in an argument."""
    if isinstance(value, Name):
        yield value.text
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names(item)


def substitute(value: Any, env: Mapping[str, Any]) -> Any:
    """The argument with its names replaced by their values."""
    if isinstance(value, Name):
        return env[value.text]
    if isinstance(value, list | tuple):
        return [substitute(item, env) for item in value]
    return value


def bind(outputs: Any, result: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of name and value of what a call has returned."""
    if isinstance(outputs, str):
        yield outputs, result
    elif isinstance(outputs, list | tuple):
        if not isinstance(result, list | tuple) or len(result) < len(outputs):
            raise ValueError(f"{len(outputs)} results expected")
        for name, item in zip(outputs, result, strict=False):
            yield from bind(name, item)
