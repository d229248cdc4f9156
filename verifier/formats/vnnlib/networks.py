"""Declarations of dialect 2.0: a network, its variables, and whether networks agree with each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.formats.vnnlib.query import Kind, Network, Variable
from verifier.formats.vnnlib.tokens import NAME, Mistake, quoted

FLOATS = ("float16", "float32", "float64", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")
SIGNED = ("int4", "int8", "int16", "int32", "int64")
DTYPES = frozenset(("real", *FLOATS, "float4e2m1", *SIGNED, *(f"u{dtype}" for dtype in SIGNED), "bool"))
KINDS: dict[str, Kind] = {"declare-input": "input", "declare-hidden": "hidden", "declare-output": "output"}
TYPED = re.compile(r"([^\s\[]++)\s*+\[([^\]]*+)\]", re.ASCII)
DIGITS = re.compile(r"[\d\s,]*+", re.ASCII)


@dataclass(frozen=True)
class Like:
    """`(equal-to f)` or `(isomorphic-to f)`."""

    network: str
    equal: bool


def name(word: object) -> str:
    if not isinstance(word, str) or not NAME.fullmatch(word):
        raise Mistake(f"expected a name of letters, digits and _, found {quoted(word)}")
    return word


def indices(inside: str) -> tuple[int, ...] | None:
    """What brackets hold; None where that is not a list of natural numbers."""
    if not DIGITS.fullmatch(inside):
        return None
    try:
        return tuple(map(int, inside.split(","))) if inside.strip() else ()
    except ValueError:  # two numbers without a comma, a comma without a number, or too long a number
        return None


def variable(kind: Kind, args: Sequence[object]) -> Variable:
    """From `(declare-input X float32 [1,4])`, or of a hidden node `(declare-hidden H float32 [1,4] "its name")`."""
    wanted = "a name, a type and a shape" + (' and the ONNX name in "..."' if kind == "hidden" else "")
    if len(args) != (3 if kind == "hidden" else 2):
        raise Mistake(f"a declared {kind} has {wanted}")
    match = TYPED.fullmatch(args[1]) if isinstance(args[1], str) else None
    if match is None:
        raise Mistake(f"expected a type and a shape such as float32 [1,4], found {quoted(args[1])}")
    shape = indices(match[2])
    if shape is None or 0 in shape:
        raise Mistake(f"expected a shape of positive integers such as [1,4], found [{match[2]}]")
    dtype = match[1].lower()
    if dtype not in DTYPES:
        raise Mistake(f"expected a type (real, float32, ...), found {quoted(match[1])}")
    onnx_name = args[2] if kind == "hidden" else '""'
    if not isinstance(onnx_name, str) or onnx_name[0] != '"':
        raise Mistake(f'expected the ONNX name in "...", found {quoted(onnx_name)}')
    return Variable(name(args[0]), kind, dtype, shape, onnx_name[1:-1])


def network(args: Sequence[object]) -> Network:
    """From the name, at most one relation to another network, and variables: inputs, then hidden ones, then outputs."""
    title = name(args[0] if args else "")
    likes = [arg for arg in args[1:2] if isinstance(arg, Like)]
    variables = [arg for arg in args[1 + len(likes) :] if isinstance(arg, Variable)]
    if 1 + len(likes) + len(variables) != len(args):
        raise Mistake(f"the network {title} holds a name, at most one equal-to or isomorphic-to, and declarations")
    inputs, hidden, outputs = (tuple(v for v in variables if v.kind == kind) for kind in KINDS.values())
    if variables != [*inputs, *hidden, *outputs] or not inputs or not outputs:
        raise Mistake(f"the network {title} must declare its inputs first, then its hidden nodes, then its outputs")
    equal, isomorphic = (next((x.network for x in likes if x.equal == wanted), "") for wanted in (True, False))
    return Network(title, inputs, hidden, outputs, equal, isomorphic)


def agree(new: Network, declared: Sequence[Network]) -> None:
    """Raise where a network does not fit those before it."""
    earlier = {network.name: network for network in declared}
    if new.name in earlier:
        raise Mistake(f"the network {new.name} is declared twice")
    dtypes = {variable.dtype for network in (*declared, new) for variable in network.variables}
    if "real" in dtypes and len(dtypes) > 1:
        raise Mistake(f"a query of type real has no other type; found {', '.join(sorted(dtypes - {'real'}))} as well")
    target = new.equal_to or new.isomorphic_to
    if not target:
        return
    if target not in earlier:
        raise Mistake(f"{new.name} refers to the network {target}, which is not declared before it")
    other = earlier[target]
    if other.equal_to or other.isomorphic_to:
        raise Mistake(f"{new.name} refers to the network {target}, which itself refers to another; name that one")
    for ours, theirs in ((new.inputs, other.inputs), (new.outputs, other.outputs)):
        if [signature(v, new) for v in ours] != [signature(v, new) for v in theirs]:
            raise Mistake(f"inputs and outputs of {new.name} do not have the shapes and types of those of {target}")


def signature(variable: Variable, network: Network) -> tuple[object, ...]:
    """What must agree: an isomorphic network may have other types."""
    return (variable.shape, variable.dtype if network.equal_to else "")
