"""Linear maps that are products with a constant matrix or mask: running sums, triangles, Einstein sums."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.ops.resize import along
from verifier.formats.onnx.values import Value, Wire
from verifier.graph.ops.dense import Contract, Scale
from verifier.graph.ops.opaque import Batchwise


def cumulative_sum(call: Call) -> Value:
    x = call.value(0)
    axis = call.axis(call.integers(1, "axis")[0], len(x.shape))
    n = x.shape[axis]
    call.admit((n, n))
    weight = np.tri(n, k=-1 if call.attr_int("exclusive", 0) else 0)
    return along(call, x, weight.T if call.attr_int("reverse", 0) else weight, axis)


def trilu(call: Call) -> Value:
    x, k = call.value(0), call.optional_constant(1, "diagonal")
    offset = 0 if k is None else int(k.array.reshape(-1)[0])
    rows, columns = x.shape[-2:]
    ones = np.ones((rows, columns))
    mask = np.triu(ones, offset) if call.attr_int("upper", 1) else np.tril(ones, offset)
    return call.add(Scale(real(mask, x).tensor()), x)


def einsum(call: Call) -> Value:
    """All constants but one argument: affine. Otherwise the whole sum is one opaque function."""
    values = call.values()
    equation = complete(call.attr_text("equation"), [len(v.shape) for v in values])
    left, right = equation.split("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        sizes.update(zip(term, value.shape, strict=True))
    call.admit([sizes[letter] for letter in right])
    wires = [i for i, v in enumerate(values) if isinstance(v, Wire)]
    batch = spare_letter(equation)
    if len(wires) == 1 and len(values) == 2:
        weight = call.constant(1 - wires[0], "weight")
        text = f"{batch}{terms[wires[0]]},{terms[1 - wires[0]]}->{batch}{right}"
        return call.add(Contract(text, weight.tensor()), values[wires[0]])
    text = ",".join(batch + term for term in terms) + "->" + batch + right
    return call.add(Batchwise("Einsum", EinsteinSum(text)), *values)


class EinsteinSum:
    def __init__(self, equation: str) -> None:
        self.equation = equation

    def __call__(self, *args: Tensor) -> Tensor:
        count = max(len(a) for a in args)
        return torch.einsum(self.equation, *(a.expand(count, *a.shape[1:]) for a in args))


def complete(equation: str, ranks: Sequence[int]) -> str:
    """The equation without spaces and dots, and with its result."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise InvalidModel(f"an Einstein sum of {len(terms)} terms with {len(ranks)} arguments")
    letters = (c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation)
    hidden = [
        max(rank - len(term.replace("...", "")), 0) if "..." in term else 0
        for term, rank in zip(terms, ranks, strict=True)
    ]
    dots = "".join(next(letters) for _ in range(max(hidden)))
    full = [term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, hidden, strict=True)]
    if not arrow:
        joined = "".join(full)
        right = dots + "".join(sorted({c for c in joined if joined.count(c) == 1 and c not in dots}))
    out = right.replace("...", dots)
    if any(len(term) != rank for term, rank in zip(full, ranks, strict=True)) or not set(out) <= set("".join(full)):
        raise InvalidModel(f"the Einstein sum {equation!r} does not fit arguments with {list(ranks)} axes")
    return ",".join(full) + "->" + out


def spare_letter(equation: str) -> str:
    for letter in "zyxwvutsrqponmlkjihgfedcba":
        if letter not in equation:
            return letter
    raise Obstacle("an Einstein sum with all letters of the alphabet")


TABLE = {"CumSum": cumulative_sum, "Trilu": trilu, "Einsum": einsum}
