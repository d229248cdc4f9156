"""What the two contracts promise of every affine op: transport, image of a box, diagonals, lengths of sums."""

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Generator, Tensor

from verifier.graph.lower import Window, window_index
from verifier.graph.op import Affine
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Constant, Contract, Linear, Multiply, Reduce, Scale, Shift, Sum
from verifier.graph.ops.shape import Concat, Expand, Gather, Pad, Pick, Reshape, Stack, Transpose
from verifier.graph.ops.softmax import Differences
from verifier.numerics import flat

Shapes = tuple[tuple[int, ...], ...]


def operators(seed: int) -> list[tuple[Affine, Shapes]]:
    """Every affine op with random parameters, and the shapes of its arguments."""
    gen = Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=gen, dtype=torch.float64)

    image = ((1, 2, 5, 4),)
    return [
        (Constant(normal(2, 3)), ()),
        (Linear(normal(4, 3), normal(4)), ((3,),)),
        (Linear(normal(2, 3)), ((2, 3),)),
        (Multiply(normal(4, 3), left=True), ((3, 2),)),
        (Multiply(normal(2, 3, 4), left=False), ((2, 5, 3),)),
        (Multiply(normal(2, 4, 3), left=True), ((3, 5),)),
        (Contract("bij,jk->bki", normal(3, 2)), ((4, 3),)),
        (Scale(normal(2, 1, 1)), image),
        (Scale(normal(2, 3)), ((3,),)),
        (Shift(normal(2, 1, 1)), image),
        (Shift(normal(2, 3)), ((1, 3),)),
        (Sum((1, -1, 1)), ((2, 3), (3,), (2, 1))),
        (Sum((-1, 1)), ((3,), (3,))),
        (Reduce((0, 2), keepdim=True), ((2, 3, 4),)),
        (Reduce((1,), keepdim=False), ((2, 3),)),
        (Reshape((6,)), ((2, 3),)),
        (Transpose((1, 2, 0)), ((2, 3, 4),)),
        (Concat(1), ((2, 1), (2, 3))),
        (Stack(), ((2, 1), (3,), (1, 2, 3))),
        (Gather(torch.tensor([[2, 0], [2, 2]]), 1), ((2, 3),)),
        (Differences(), ((2, 3),)),
        (Differences(), ((2, 1, 5),)),
        (Pick(window_index((1, 2), [Window(5, 3, 2), Window(4, 2, 1)])), image),
        (Expand((2, 2, 3)), ((2, 1),)),
        (Pad(((0, 0), (0, 0), (1, 2), (-1, 1)), fill=0.5), image),
        (Conv(normal(3, 2, 3, 2), normal(3), (2, 1), (1, 0), (1, 2), 1), image),
        (Conv(normal(4, 1, 2, 2), None, (1, 2), (0, 1), (2, 1), 2), image),
        (Conv(normal(2, 2, 3), normal(2), (3,), (1,), (1,), 1), ((2, 2, 7),)),
        (Conv(normal(3, 2, 3, 2), normal(3), (3, 2), (0, 0), (1, 1), 1), ((1, 2, 6, 4),)),  # patches side by side
        (Conv(normal(3, 2, 2, 2), None, (2, 2), (0, 0), (2, 2), 1), ((1, 2, 5, 5),)),  # not side by side: dilated
        (Conv(normal(2, 1, 2, 2, 2), None, (1, 1, 2), (0, 0, 0), (1, 1, 1), 1), ((1, 1, 3, 3, 3),)),
        (ConvTranspose(normal(2, 3, 3, 2), normal(3), (2, 1), (1, 0), (1, 0), (1, 1), 1), image),
        (ConvTranspose(normal(2, 1, 2, 2), None, (1, 2), (0, 0), (0, 0), (2, 1), 2), image),
    ]


def sizes(shapes: Shapes) -> list[torch.Size]:
    return [torch.Size(s) for s in shapes]


def matrices(op: Affine, shapes: Shapes) -> tuple[Tensor, list[Tensor]]:
    """The op as an offset `(n,)` and a matrix `(n, m)` for each argument, from its values on unit vectors."""
    zeros = [torch.zeros((1, *s), dtype=torch.float64) for s in shapes]
    offset = op.forward(*zeros).flatten()
    parts = []
    for k, shape in enumerate(shapes):
        eye = torch.eye(torch.Size(shape).numel(), dtype=torch.float64).reshape(-1, *shape)
        args = [z.expand(len(eye), *z.shape[1:]) for z in zeros]
        args[k] = eye
        parts.append((flat(op.forward(*args), 1) - offset).T)
    return offset, parts


def out_shape(op: Affine, shapes: Shapes) -> torch.Size:
    return op.at_zero(sizes(shapes), torch.zeros((), dtype=torch.float64)).shape[1:]


def law_transport(op: Affine, shapes: Shapes, seed: int = 0) -> None:
    """An override equals the derived transport, and both are the transpose of `forward`."""
    gen = Generator().manual_seed(seed)
    rows = torch.randn((3, *out_shape(op, shapes)), generator=gen, dtype=torch.float64)
    mine, derived = op.transport(rows, sizes(shapes)), Affine.transport(op, rows, sizes(shapes))
    _, parts = matrices(op, shapes)
    assert len(mine) == len(derived) == len(shapes)
    for a, b, matrix, shape in zip(mine, derived, parts, shapes, strict=True):
        assert a.shape == (3, *shape), f"{op.label}: transport has the shape of no argument"
        assert torch.allclose(a, b), f"{op.label}: the override differs from the derived transport"
        assert torch.allclose(flat(a, 1), flat(rows, 1) @ matrix), f"{op.label}: transport is no transpose"
    xs = [torch.randn((1, *s), generator=gen, dtype=torch.float64) for s in shapes]
    left = flat(rows * (op.forward(*xs) - op.at_zero(sizes(shapes), rows)), 1).sum(1)
    right = sum((flat(a * x, 1).sum(1) for a, x in zip(mine, xs, strict=True)), torch.zeros(3, dtype=torch.float64))
    assert torch.allclose(left, right), f"{op.label}: <A, f(x) - f(0)> is not <transport(A), x>"


def law_short_cuts(op: Affine, shapes: Shapes, seed: int = 0) -> None:
    """Single entries, and coefficients times slopes of groups, are moved as `transport` moves them all."""
    gen, out, batch = Generator().manual_seed(seed), out_shape(op, shapes), 2
    index = torch.randint(0, out.numel(), (3, batch), generator=gen)
    units = torch.zeros(3, batch, out.numel(), dtype=torch.float64).scatter(2, index.unsqueeze(2), 1.0)
    _equal_parts(op, shapes, units.unflatten(2, out), op.entries(index, sizes(shapes), units))
    if not out:
        return
    slopes = torch.randn((batch, *out), generator=gen, dtype=torch.float64)
    for alone in (-1, *range(len(out) - 1)):
        size = [1 if axis == alone else n for axis, n in enumerate(out[:-1])]
        rows = torch.randn((3, batch, *size), generator=gen, dtype=torch.float64)
        _equal_parts(op, shapes, rows.unsqueeze(-1) * slopes, op.transport_grouped(rows, slopes, sizes(shapes)))


def _equal_parts(op: Affine, shapes: Shapes, rows: Tensor, parts: tuple[Tensor, ...] | None) -> None:
    """Rows `(S, B, *out)` and what became of them."""
    if parts is None:
        return
    for part, whole in zip(parts, op.transport(rows.flatten(0, 1), sizes(shapes)), strict=True):
        assert torch.allclose(part, whole.unflatten(0, rows.shape[:2])), f"{op.label}: a short cut leads elsewhere"


def law_linear(op: Affine, shapes: Shapes, seed: int = 0) -> None:
    """The linear part is the op less its offset."""
    if not shapes:
        return
    gen = Generator().manual_seed(seed)
    args = [torch.randn((3, *s), generator=gen, dtype=torch.float64) for s in shapes]
    expected = op.forward(*args) - op.at_zero(sizes(shapes), args[0])
    assert op.linear(*args).shape == expected.shape, f"{op.label}: its linear part has a shape of its own"
    assert torch.allclose(op.linear(*args), expected), f"{op.label}: its linear part is not f(x) - f(0)"


def law_abs(op: Affine, shapes: Shapes, seed: int = 0) -> None:
    """The interval image is the exact one: from the absolute values of the matrix."""
    gen = Generator().manual_seed(seed)
    center = [torch.randn((1, *s), generator=gen, dtype=torch.float64) for s in shapes]
    radius = [torch.rand((1, *s), generator=gen, dtype=torch.float64) for s in shapes]
    middle, reach = op.forward(*center).flatten(), op.abs().forward(*radius).flatten()
    offset, parts = matrices(op, shapes)
    zero = torch.zeros_like(offset)
    true = sum((m.abs() @ r.flatten() for m, r in zip(parts, radius, strict=True)), zero)
    assert torch.allclose(reach, true), f"{op.label}: abs() is not the op with absolute weights"
    assert torch.allclose(middle, sum((m @ c.flatten() for m, c in zip(parts, center, strict=True)), offset))


def law_terms(op: Affine, shapes: Shapes) -> None:
    """`terms` is at least the number of products behind an entry, forwards and transposed; counted with ones."""
    offset, parts = matrices(_ones(op), shapes)
    counts = [m.round() for m in parts]
    forwards = sum((m.sum(1) for m in counts), torch.zeros_like(offset))
    longest = max([0.0, *forwards.tolist(), *(float(m.sum(0).max()) for m in counts)])
    assert op.terms(sizes(shapes), out_shape(op, shapes)) >= longest, f"{op.label}: sums are longer than terms says"


def _ones(op: Affine) -> Affine:
    """The op with all parameters 1, without offset."""
    op = op.abs()
    changes = {}
    for field in fields(op):
        value = getattr(op, field.name)
        if isinstance(value, Tensor) and value.is_floating_point() and not isinstance(op, Shift | Constant):
            changes[field.name] = torch.ones_like(value)
    return replace(op, **changes)


def law_diagonal(op: Affine, shapes: Shapes) -> None:
    """Where the op promises it, the image of a box is a box: no two entries read the same entry."""
    out = out_shape(op, shapes).numel()
    if not op.diagonal or len(shapes) != 1 or out != torch.Size(shapes[0]).numel():
        return
    _, (matrix,) = matrices(op, shapes)
    touched = matrix != 0
    assert bool((touched.sum(0) <= 1).all()), f"{op.label}: two entries of the output read one entry"
    assert bool((touched.sum(1) <= 1).all()), f"{op.label}: an entry of the output reads two"


def law_batch_axis(op: Affine, shapes: Shapes, seed: int = 0) -> None:
    """Entries of the batch do not touch each other."""
    gen = Generator().manual_seed(seed)
    args: Sequence[Tensor] = [torch.randn((3, *s), generator=gen, dtype=torch.float64) for s in shapes]
    together = op.forward(*args)
    if not shapes:
        return
    for b in range(3):
        alone = op.forward(*(a[b : b + 1] for a in args))
        assert torch.allclose(together[b : b + 1], alone), f"{op.label}: the batch axis is taken for data"
