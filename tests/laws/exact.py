"""A network's values as rational numbers: what a proof speaks about. Floats are rationals, so nothing is lost."""

from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.activation import Abs, Ceil, Clip, Floor, LeakyRelu, Relu, Round, Sign, Wrap
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.smooth import Power
from verifier.numerics import flat
from verifier.properties import Specification

Exact = np.ndarray[Any, np.dtype[Any]]  # of Fractions
to_exact = np.vectorize(Fraction, otypes=[object])


def exact(x: Tensor) -> Exact:
    return to_exact(x.detach().double().numpy())


def exact_values(graph: Graph, x: Tensor) -> dict[str, Exact]:
    """Every node's value for one input `x (*in)`."""
    values: dict[str, Exact] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            values[node.name] = exact(x)
        elif isinstance(node.op, Affine):
            values[node.name] = _affine(graph, node, node.op, values)
        else:
            values[node.name] = np.asarray(_nonlinear(node, values[node.inputs[0]]), dtype=object)
    return values


def exact_rows(specification: Specification, y: Exact, b: int) -> list[Fraction]:
    """The specification's rows for input `b` of the batch."""
    rows, offset = exact(flat(specification.rows[:, b], 1)), exact(specification.offset[:, b])
    return [Fraction(np.dot(row, y.reshape(-1))) + o for row, o in zip(rows, offset, strict=True)]


def _affine(graph: Graph, node: Node, op: Affine, values: dict[str, Exact]) -> Exact:
    """The op's matrix is exact: each of its entries is one parameter, times ones and zeros."""
    shapes = [torch.Size(graph.by_name[name].shape) for name in node.inputs]
    size = torch.Size(node.shape).numel()
    total = exact(op.at_zero(shapes, torch.zeros((), dtype=torch.float64)).flatten())
    eye = torch.eye(size, dtype=torch.float64).reshape(size, *node.shape)
    for name, matrix in zip(node.inputs, Affine.transport(op, eye, shapes), strict=True):
        x = values[name].reshape(-1)
        for i, j in flat(matrix, 1).nonzero().tolist():
            total[i] += Fraction(float(flat(matrix, 1)[i, j])) * x[j]
    return total.reshape(node.shape)


def _nonlinear(node: Node, x: Exact) -> Exact:
    def each(function: Any) -> Exact:
        return np.vectorize(function, otypes=[object])(x)

    match node.op:
        case Relu():
            return each(lambda v: max(v, Fraction(0)))
        case Abs():
            return each(abs)
        case Sign():
            return each(lambda v: Fraction((v > 0) - (v < 0)))
        case Floor():
            return each(lambda v: Fraction(v.__floor__()))
        case Ceil():
            return each(lambda v: Fraction(v.__ceil__()))
        case Round():
            return each(lambda v: Fraction(round(v)))
        case Wrap():
            return each(lambda v: (v - Fraction(node.op.least)) % 2**node.op.bits + Fraction(node.op.least))
        case Max():
            return np.asarray(x.max(axis=-1))
        case Product():
            return np.asarray(x[..., 0] * x[..., 1])
        case Power(exponent=2.0):
            return x * x
        case LeakyRelu(slope=slope):
            return np.where(x > 0, x, x * exact(slope))
        case Clip(least=least, greatest=greatest):
            return np.minimum(np.maximum(x, exact(least)), exact(greatest))
    raise TypeError(f"{node.op.label} has no rational values")
