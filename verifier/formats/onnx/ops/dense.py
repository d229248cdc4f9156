"""Matrix products."""

import math

import numpy as np
import torch

from verifier.formats.onnx.call import Call, real
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire
from verifier.graph.ops.dense import Linear, Multiply, Reduce, Scale, Shift, Sum
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.product import MAX_PRODUCTS, Product
from verifier.graph.ops.shape import Reshape, Stack, Transpose


def matmul(call: Call) -> Value:
    return product(call, call.value(0), call.value(1))


def product(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    """`a @ b` with numpy's rules for one-dimensional arguments."""
    _check_size(call, a, b)
    if isinstance(b, Const):
        return _by_constant(call, call.to_wire(a), b)
    if isinstance(a, Const):
        return _constant_by(call, a, b)
    return _both(call, a, b)


def _check_size(call: Call, a: Tensorial, b: Tensorial) -> None:
    """Refuse outer products that would fill the memory."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # torch's imports sympy: a quarter of a second
    call.admit((*lead, *a.shape[-2:-1], *(b.shape[-1:] if len(b.shape) > 1 else ())))


def _by_constant(call: Call, x: Wire, weight: Const) -> Wire:
    w = weight.tensor()
    if w.dim() == 1:
        out = call.add(Linear(w.unsqueeze(0)), x)
        return call.add(Reshape(out.shape[:-1]), out)
    if w.dim() == 2:
        return call.add(Linear(w.T), x)
    if len(x.shape) > 1:
        return call.add(Multiply(w, left=False), x)
    row = call.add(Reshape((1, *x.shape)), x)
    out = call.add(Multiply(w, left=False), row)
    return call.add(Reshape((*out.shape[:-2], out.shape[-1])), out)


def _constant_by(call: Call, weight: Const, x: Wire) -> Wire:
    w = weight.tensor()
    if w.dim() == 1:
        if len(x.shape) == 1:
            return _by_constant(call, x, weight)
        out = call.add(Multiply(w.unsqueeze(0), left=True), x)
        return call.add(Reshape((*out.shape[:-2], out.shape[-1])), out)
    if len(x.shape) > 1:
        return call.add(Multiply(w, left=True), x)
    column = call.add(Reshape((*x.shape, 1)), x)
    out = call.add(Multiply(w, left=True), column)
    return call.add(Reshape(out.shape[:-1]), out)


def _both(call: Call, a: Wire, b: Wire) -> Wire:
    """Both depend on the input. Unit axes are added first, so that our batch axis stays in front."""
    row, column = len(a.shape) == 1, len(b.shape) == 1
    a_shape = (1, *a.shape) if row else a.shape
    b_shape = (*b.shape, 1) if column else b.shape
    rank = max(len(a_shape), len(b_shape))
    a = reshape(call, a, (1,) * (rank - len(a_shape)) + a_shape)
    b = reshape(call, b, (1,) * (rank - len(b_shape)) + b_shape)
    out = _in_products(call, a, b)
    shape = out.shape[: rank - 2] + (() if row else out.shape[-2:-1]) + (() if column else out.shape[-1:])
    return reshape(call, out, shape)


def _in_products(call: Call, a: Wire, b: Wire) -> Wire:
    """`a (..., n, k) @ b (..., k, m)` as its products `(..., n, m, k)` and their sums; only evaluated if too many."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if math.prod((*lead, *a.shape[-2:], b.shape[-1])) > MAX_PRODUCTS or a.shape[-1] != b.shape[-2]:
        return call.add(Batchwise("MatMul", torch.matmul), a, b)
    rows = reshape(call, a, (*a.shape[:-1], 1, a.shape[-1]))
    rank = len(b.shape)
    turned = call.add(Transpose((*range(rank - 2), rank - 1, rank - 2)), b)
    columns = reshape(call, turned, (*turned.shape[:-2], 1, *turned.shape[-2:]))
    products = call.add(Product(), call.add(Stack(), rows, columns))
    return call.add(Reduce((len(products.shape) - 1,), keepdim=False), products)


def reshape(call: Call, x: Wire, shape: tuple[int, ...]) -> Wire:
    """Reshape, unless nothing changes."""
    return x if x.shape == shape else call.add(Reshape(shape), x)


def gemm(call: Call) -> Value:
    a, b, c = call.value(0), call.value(1), call.optional(2)
    alpha, beta = call.attr_float("alpha", 1.0), call.attr_float("beta", 1.0)
    call.ignore("broadcast")  # before opset 7
    if alpha != 1 or beta != 1:
        call.rounds()
    if call.attr_int("transA", 0):
        a = swap(call, a)
    if call.attr_int("transB", 0):
        b = swap(call, b)
    if isinstance(b, Const) and isinstance(c, Const) and not isinstance(a, Const):
        return _affine(call, a, scaled(b, alpha), scaled(c, beta))
    out = product(call, a, b)
    if alpha != 1:
        out = call.add(Scale(torch.tensor(alpha, dtype=torch.float64)), out)
    if c is None:
        return out
    if isinstance(c, Const):
        return call.add(Shift(real(beta * c.array, c).tensor()), out)
    if beta != 1:
        c = call.add(Scale(torch.tensor(beta, dtype=torch.float64)), c)
    return call.add(Sum((1, 1)), out, c)


def scaled(x: Const, factor: float) -> Const:
    return x if factor == 1 else real(factor * x.array, x)


def _affine(call: Call, x: Wire, weight: Const, bias: Const) -> Wire:
    """The common layer: weight and bias in one node where the bias is a row."""
    _check_size(call, x, weight)
    w, b = weight.tensor().T, bias.tensor()
    if b.numel() in (1, len(w)) and (b.numel() == 1 or b.shape[-1] == len(w)):
        return call.add(Linear(w, b.reshape(-1).expand(len(w)).contiguous()), x)
    return call.add(Shift(b), call.add(Linear(w), x))


def swap(call: Call, x: Tensorial) -> Tensorial:
    """The transposed matrix."""
    if isinstance(x, Const):
        return Const(x.array.T, x.type)
    return call.add(Transpose((1, 0)), x)


TABLE = {"MatMul": matmul, "Gemm": gemm}
