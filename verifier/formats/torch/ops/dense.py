"""Matrix products and sums with their constants found."""

import math
import string
from typing import Any

import torch
from torch import Tensor

from verifier.formats.torch.ops.arithmetic import plus, scaled, times
from verifier.formats.torch.ops.shape import reshaped, transposed
from verifier.formats.torch.site import Lowering, Ref, Site, real, rows
from verifier.graph.ops.dense import Linear, Multiply, Reduce
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.product import MAX_PRODUCTS, Product
from verifier.graph.ops.shape import Stack


def product(site: Site, a: Any, b: Any) -> Ref:
    """`a @ b` with numpy's rules for axes; at least one side depends on the input."""
    if isinstance(b, Tensor):
        return times_matrix(site, a, real(b))
    if isinstance(a, Tensor):
        return matrix_times(site, real(a), b)
    left, right = site.rank(a) == 1, site.rank(b) == 1
    wide = reshaped(site, a, (1, *site.shape(a))) if left else a
    tall = reshaped(site, b, (*site.shape(b), 1)) if right else b
    out = in_products(site, wide, tall)
    shape = site.shape(out)
    return reshaped(site, out, shape[: len(shape) - left - right] if right or not left else (*shape[:-2], shape[-1]))


def in_products(site: Site, a: Ref, b: Ref) -> Ref:
    """`a (..., n, k) @ b (..., k, m)` as its products `(..., n, m, k)` and their sums; only evaluated if too many."""
    left, right = site.shape(a), site.shape(b)
    lead = torch.broadcast_shapes(left[:-2], right[:-2])
    if math.prod((*lead, *left[-2:], right[-1])) > MAX_PRODUCTS or left[-1] != right[-2]:
        return site.add(Batchwise("MatMul", aligned_product), a, b)
    rank = len(right)
    lines = reshaped(site, a, (*left[:-1], 1, left[-1]))
    turned = transposed(site, b, (*range(rank - 2), rank - 1, rank - 2))
    columns = reshaped(site, turned, (*right[:-2], 1, right[-1], right[-2]))
    products = site.add(Product(), site.add(Stack(), lines, columns, part="pairs"), part="products")
    return site.add(Reduce((site.rank(products) - 1,), keepdim=False), products)


def aligned_product(a: Tensor, b: Tensor) -> Tensor:
    """`a @ b` behind our batch axis, for factors that may differ in their number of axes."""
    rank = max(a.dim(), b.dim())
    a, b = (t.reshape(len(t), *(1,) * (rank - t.dim()), *t.shape[1:]) for t in (a, b))
    return a @ b


def times_matrix(site: Site, x: Ref, weight: Tensor) -> Ref:
    if weight.dim() == 1:
        out = site.add(Linear(weight.unsqueeze(0)), x)
        return reshaped(site, out, site.shape(out)[:-1])
    if weight.dim() == 2:
        return site.add(Linear(weight.T.contiguous()), x)
    if site.rank(x) == 1:
        flat = site.add(Linear(weight.transpose(-1, -2).reshape(-1, weight.shape[-2])), x)
        return reshaped(site, flat, (*weight.shape[:-2], weight.shape[-1]))
    return site.add(Multiply(weight, left=False), x)


def matrix_times(site: Site, weight: Tensor, x: Ref) -> Ref:
    if site.rank(x) == 1:
        flat = site.add(Linear(weight.reshape(-1, weight.shape[-1])), x)
        return reshaped(site, flat, tuple(weight.shape[:-1]))
    out = site.add(Multiply(weight if weight.dim() > 1 else weight.unsqueeze(0), left=True), x)
    shape = site.shape(out)
    return out if weight.dim() > 1 else reshaped(site, out, (*shape[:-2], shape[-1]))


def linear(site: Site, x: Any, weight: Any, bias: Any = None) -> Ref:
    if isinstance(x, Ref) and isinstance(weight, Tensor) and weight.dim() == 2 and not isinstance(bias, Ref):
        return site.add(Linear(real(weight), None if bias is None else real(bias)), x)
    if isinstance(weight, Ref):
        weight = transposed(site, weight, (1, 0)) if site.rank(weight) == 2 else weight
    else:
        weight = weight.mT if weight.dim() == 2 else weight
    out = product(site, x, weight)
    return out if bias is None else plus(site, out, bias)


def addmm(site: Site, start: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    """`beta * start + alpha * (a @ b)`: addmm, addmv, baddbmm."""
    plain = isinstance(a, Ref) and isinstance(b, Tensor) and isinstance(start, Tensor) and beta == alpha == 1
    if plain and b.dim() == 2 and tuple(start.shape) == (b.shape[1],):
        return linear(site, a, b.T.contiguous(), start)
    inner = scaled(site, product(site, a, b), alpha)
    outer = scaled(site, start, beta) if isinstance(start, Ref) else real(start) * beta
    return plus(site, inner, outer)


def einsum(site: Site, equation: str, tensors: list[Any], path: Any = None) -> Ref:
    """All factors get one subscript more for our batch axis."""
    left, _, right = equation.replace(" ", "").partition("->")
    if not right and "->" not in equation:
        site.refuse("an equation without `->`")
    mark = next(letter for letter in string.ascii_letters if letter not in equation)
    batched = ",".join(mark + term for term in left.split(",")) + "->" + mark + right
    return site.add(Batchwise("Einsum", lambda *args: torch.einsum(batched, *spread(args))), *tensors)


def spread(args: tuple[Tensor, ...]) -> list[Tensor]:
    """All arguments with the same number of rows; constants come with one."""
    rows = max(len(a) for a in args)
    return [a.expand(rows, *a.shape[1:]) for a in args]


def cumsum(site: Site, x: Ref, dim: int, dtype: Any = None) -> Ref:
    axis = site.axis(x, dim)
    size = site.shape(x)[axis]
    site.room(size, size)
    return along(site, x, axis, torch.ones((size, size), dtype=torch.float64).tril())


def along(site: Site, x: Ref, axis: int, matrix: Tensor) -> Ref:
    """`matrix (out, in)` applied to one axis."""
    rank = site.rank(x)
    swap = list(range(rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    last = transposed(site, x, tuple(swap))
    return transposed(site, site.add(Linear(matrix), last), tuple(swap))


def outer(site: Site, a: Any, b: Any) -> Any:
    return times(site, reshaped(site, site.ref(a), (*site.shape(a), 1)), b)


DENSE: dict[str, Lowering] = {
    "linear.default": linear,
    "addmm.default": addmm,
    "addmv.default": addmm,
    "baddbmm.default": addmm,
    **rows("mm.default bmm.default matmul.default mv.default dot.default", product),
    "einsum.default": einsum,
    "cumsum.default": cumsum,
    "outer.default": outer,
}
