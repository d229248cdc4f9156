"""A value for every declared variable, and whether it makes every assertion true: decided exactly, on what the deployed
networks compute."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from verifier.formats.onnx.deployed import run_file
from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.vnnlib.query import Query
from verifier.properties.expression import And, Comparison, Entry, Formula, Or
from verifier.queries.networks import Joint, Part, files

Assignment = Mapping[str, np.ndarray]  # in the order of declaration, each of the declared shape


def complete(query: Query, joint: Joint, given: Mapping[str, str | Path], witness: np.ndarray) -> Assignment:
    """The assignment whose inputs are those of `witness`, a joint input: every file is run as deployed."""
    flat, paths, values = witness.reshape(-1)[joint.read], files(query, given), dict[str, np.ndarray]()
    for part in joint.parts:
        network, path = part.network, paths[part.network.name]
        parts = [flat[joint.inputs[v.name] :][: math.prod(v.shape)].reshape(v.shape) for v in network.inputs]
        if query.version.startswith("1"):
            (x,), (y,) = network.inputs, network.outputs
            values |= {x.name: flat, y.name: _flat(part, path, flat.reshape(part.model.graph.input.shape), y.shape[0])}
            continue
        outputs, inner = run_file(path, parts, [v.onnx_name for v in network.hidden])
        values |= {v.name: x for v, x in zip(network.inputs, parts, strict=True)}
        values |= {v.name: inner[v.onnx_name].reshape(v.shape) for v in network.hidden}
        values |= {v.name: y.reshape(v.shape) for v, y in zip(network.outputs, outputs, strict=True)}
    return values


def _flat(part: Part, path: Path, x: np.ndarray, asked: int) -> np.ndarray:
    """Dialect 1.0: the `asked` entries of the first output, or of all."""
    evaluator = part.model.evaluator
    assert isinstance(evaluator, OrtEvaluator)
    arrays = evaluator.arrays(x)
    if arrays is None:
        return np.asarray(evaluator(x[None])).reshape(-1)
    outputs, _ = run_file(path, arrays)
    return np.concatenate([out.reshape(-1) for out in outputs])[:asked]


def holds(query: Query, assignment: Assignment, meant: Mapping[Entry, Fraction] | None = None) -> bool:
    """Are all assertions true, exactly? Numbers that are not finite make no assertion true.

    `meant` are the exact values of inputs of which the assignment has the nearest number of their type; comparisons
    of such an input alone are asked of them.
    """
    meant = meant or {}
    flat = {name: array.reshape(-1).tolist() for name, array in assignment.items()}  # pictures have a million bounds
    for ends, sign in ((query.least, 1), (query.greatest, -1)):
        for entry, end in ends.items():
            value = flat[entry.name][entry.index]
            if entry not in meant and not (value >= end if sign > 0 else value <= end):
                return False
    return all(_true(formula, assignment, meant) for formula in query.assertions)


def _true(formula: Formula, assignment: Assignment, meant: Mapping[Entry, Fraction]) -> bool:
    match formula:
        case And():
            return all(_true(arg, assignment, meant) for arg in formula.args)
        case Or():
            return any(_true(arg, assignment, meant) for arg in formula.args)
        case Comparison():
            entries = formula.left.entries()
            values = {e: assignment[e.name].reshape(-1)[e.index].item() for e in entries}
            if not all(math.isfinite(v) for v in values.values()):
                return False
            exact = {e: Fraction(v) for e, v in values.items()}
            return formula.at(exact | dict(meant) if len(entries) == 1 and entries <= set(meant) else exact)
    raise TypeError(f"no formula: {type(formula).__name__}")


def by_entry(joint: Joint, at: Mapping[int, Fraction]) -> dict[Entry, Fraction]:
    """Numbers at places of the joint input, for all input entries that are read there."""
    declared = np.flatnonzero(np.isin(joint.read, list(at))).tolist()
    return {_entry(joint, place): at[int(joint.read[place])] for place in declared}


def _entry(joint: Joint, declared: int) -> Entry:
    """The input at a place among all declared entries."""
    name, first = max(((n, f) for n, f in joint.inputs.items() if f <= declared), key=lambda item: item[1])
    return Entry(name, declared - first)


def lines(query: Query, assignment: Assignment) -> Iterator[str]:
    """The standard's text (2.0, chapter 5): a header and a value a line for every variable."""
    for network in query.networks:
        for v in network.variables:
            yield f"{v.name} {v.dtype} [{','.join(map(str, v.shape))}]"
            yield from map(text, assignment[v.name].reshape(-1).tolist())


def text(value: float | int | bool) -> str:
    """What reads back as the same number, in whatever precision it is read."""
    return repr(int(value)) if isinstance(value, bool) else repr(value)


def pairs(query: Query, assignment: Assignment) -> str:
    """The text of dialect 1.0: `((X_0 0.5)`, a pair a line, `(Y_0 1.0))`."""
    (network,) = query.networks
    return (
        "("
        + "\n".join(
            f"({v.name}_{i} {text(value)})"
            for v in (*network.inputs, *network.outputs)
            for i, value in enumerate(assignment[v.name].reshape(-1).tolist())
        )
        + ")"
    )
