"""Is a printed counterexample one? Replayed in ONNX Runtime on the CPU and held against the query, exactly.

The rules are those of the 2026 competition: printed outputs are ignored; inputs are rounded to the network's type
first, and these are the ones that must meet the query's constraints. Where they do so only up to 1e-4 the witness is
`tolerated`: it counts as an answer, as many queries fix an input to a decimal that no float32 is equal to, but it
refutes nobody. Constraints with an output in them must hold exactly.
"""

import gzip
import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime

from verifier.formats.vnnlib.query import Network, Query, Variable
from verifier.formats.vnnlib.reader import read
from verifier.properties.expression import And, Comparison, Entry, Formula, Or

State = Literal["valid", "tolerated", "invalid", "unchecked"]
TOLERANCE = Fraction(1, 10**4)
HEADER = re.compile(r"(\w+)\s+(\w+)\s+\[([\d,\s]*)\]\s*")


class Invalid(Exception):
    """This text is no counterexample of this query."""


@dataclass(frozen=True)
class Printed:
    """One tensor of an assignment, its values as printed."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: list[str]


def check(text: str, query: Path, models: Mapping[str, Path]) -> tuple[State, str]:
    """Whether the assignment satisfies the query, and if not or if that can't be found out, why."""
    try:
        asked = read(query)
        values = replay(asked, printed(text, asked), models)
    except Invalid as error:
        return "invalid", str(error)
    except Exception as error:  # of the reader or the engine: nothing is known about the witness then
        return "unchecked", f"the witness could not be replayed: {type(error).__name__}: {error}"[:300]
    fault = broken(asked, values, Fraction(0))
    if not fault:
        return "valid", ""
    return ("invalid" if broken(asked, values, TOLERANCE) else "tolerated"), fault


def printed(text: str, query: Query) -> list[Printed]:
    """The assignment in either format: `((X_0 v) (X_1 v) ... (Y_0 v) ...)` only suits a 1.0 query; the other one, by
    which a 1.0 query has the flat variables X and Y, suits both."""
    if query.version != "1.0" or HEADER.match(text.lstrip()):
        return _blocks(text)
    tensors = []
    for variable in query.networks[0].variables:
        pairs = re.findall(rf"\(\s*{variable.name}_(\d+)\s+([^\s()]+)\s*\)", text)
        if [int(index) for index, _ in pairs] != list(range(len(pairs))):
            raise Invalid(f"the indices of {variable.name} are not 0, 1, 2, ...")
        tensors.append(Printed(variable.name, variable.dtype, (len(pairs),), [value for _, value in pairs]))
    return tensors


def _blocks(text: str) -> list[Printed]:
    """2.0: a header `name type [dims]` for each declared variable, then its values, one a line."""
    tensors: list[Printed] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if header := HEADER.fullmatch(line):
            shape = tuple(int(size) for size in header[3].split(",") if size.strip())
            tensors.append(Printed(header[1], header[2].lower(), shape, []))
        elif tensors:
            tensors[-1].values.append(line)
        else:
            raise Invalid(f"the assignment starts with {line[:40]!r}, expected a header `name type [dims]`")
    return tensors


def replay(query: Query, tensors: list[Printed], models: Mapping[str, Path]) -> dict[Entry, Fraction]:
    """Exact values of all variables, when the printed inputs go through the networks."""
    if not tensors:
        raise Invalid("no assignment was printed")
    given, declared = [t.name for t in tensors], [v.name for n in query.networks for v in n.variables]
    if given != declared:
        raise Invalid(f"it assigns {' '.join(given)[:80]}, the query declares {' '.join(declared)[:80]}")
    by_name = {tensor.name: tensor for tensor in tensors}
    values: dict[Entry, Fraction] = {}
    for network in query.networks:
        model = _model(models, network)
        for variable, array in _evaluated(model, network, by_name, query.version).items():
            exact = (Fraction(v) if isinstance(v, int) else _finite(v, variable) for v in array.ravel().tolist())
            values.update({Entry(variable, index): value for index, value in enumerate(exact)})
    return values


def _finite(value: float, name: str) -> Fraction:
    if not math.isfinite(value):
        raise Invalid(f"{name} has an entry that is {value}")
    return Fraction(value)


def _model(models: Mapping[str, Path], network: Network) -> onnx.ModelProto:
    name = network.equal_to or network.name
    path = models[name] if name in models else models[""]
    data = path.read_bytes()
    return onnx.load_from_string(gzip.decompress(data) if path.suffix == ".gz" else data)


def _evaluated(
    model: onnx.ModelProto, network: Network, tensors: Mapping[str, Printed], version: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of all variables of a network: inputs as they were given to it, hidden and outputs as they came out."""
    stored = {tensor.name for tensor in model.graph.initializer}
    listed = [i for i in model.graph.input if version != "1.0" or i.name not in stored]  # 2.0 counts those with a value
    if len(listed) != len(network.inputs) or len(model.graph.output) != len(network.outputs):
        raise ValueError(f"the model has {len(listed)} inputs and {len(model.graph.output)} outputs")
    arrays = {v.name: _array(tensors[v.name], i, v, version) for v, i in zip(network.inputs, listed, strict=True)}
    names = [output.name for output in model.graph.output]
    hidden = [v.onnx_name for v in network.hidden]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in hidden if name not in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {i.name: arrays[v.name] for v, i in zip(network.inputs, listed, strict=True)}
    found = session.run([*hidden, *names], feed)
    return arrays | {v.name: np.asarray(a) for v, a in zip((*network.hidden, *network.outputs), found, strict=True)}


def _array(tensor: Printed, listed: onnx.ValueInfoProto, variable: Variable, version: str) -> np.ndarray[Any, Any]:
    """The values in the type and shape that the model takes."""
    kind = listed.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    sizes = [d.dim_value for d in kind.shape.dim]  # 0 where the file leaves it open
    shape = sizes if all(sizes) else list(variable.shape)
    if version == "1.0" and not all(sizes):  # which knows no shapes: open sizes are one
        shape = [size or 1 for size in sizes]
    if version != "1.0" and tensor.shape != variable.shape:
        raise Invalid(f"{tensor.name} has the shape {list(tensor.shape)}, expected {list(variable.shape)}")
    if len(tensor.values) != math.prod(variable.shape):
        raise Invalid(f"{tensor.name} has {len(tensor.values)} values, expected {math.prod(variable.shape)}")
    try:
        whole = np.issubdtype(dtype, np.integer)
        numbers = [int(v) if whole else float({"true": "1", "false": "0"}.get(v.lower(), v)) for v in tensor.values]
        array = np.array(numbers, dtype=dtype)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{tensor.name}: {error}") from None
    return array.reshape(shape)


def broken(query: Query, values: Mapping[Entry, Fraction], tolerance: Fraction) -> str:
    """The first constraint that the values break, or nothing; constraints of inputs alone may be off by `tolerance`."""
    for entry, bound in query.least.items():
        if values[entry] < Fraction(bound) - tolerance:
            return f"{entry.name}[{entry.index}] = {float(values[entry])!r} is below {bound}"
    for entry, bound in query.greatest.items():
        if values[entry] > Fraction(bound) + tolerance:
            return f"{entry.name}[{entry.index}] = {float(values[entry])!r} is above {bound}"
    inputs = {variable.name for network in query.networks for variable in network.inputs}
    for number, assertion in enumerate(query.assertions, 1):
        if not (_wider(assertion, inputs, tolerance) if tolerance else assertion).at(values):
            return f"assertion {number} of {len(query.assertions)} does not hold"
    return ""


def _wider(formula: Formula, inputs: Container[str], by: Fraction) -> Formula:
    """The formula, its comparisons of inputs alone true up to `by`."""
    match formula:
        case And(args):
            return And(tuple(_wider(arg, inputs, by) for arg in args))
        case Or(args):
            return Or(tuple(_wider(arg, inputs, by) for arg in args))
        case Comparison(left, relation):
            if relation == "!=" or not all(entry.name in inputs for entry in left.entries()):
                return formula
            below = Comparison(left - by, "<=")
            return below & Comparison(-left - by, "<=") if relation == "==" else below
    raise TypeError(f"no formula is a {type(formula).__name__}")
