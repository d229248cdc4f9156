"""There are several ways to store coefficients: every operation on them equals the one on all coefficients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from verifier.bounding.coefficient import Coefficient, Dense, Grouped, Unit
from verifier.bounding.windows import Windows
from verifier.graph.op import Affine
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Scale, Shift, Sum
from verifier.graph.ops.shape import Concat, Gather, Pad, Reshape, Transpose
from verifier.relaxations.piecewise_linear import ReluRelaxation
from verifier.relaxations.relaxation import Lines, Slopes


@dataclass(frozen=True, eq=False)
class Sample:
    """The same rows twice: stored small and as they are, over a node of `shape`."""

    small: Coefficient
    whole: Dense
    shape: torch.Size


def samples(seed: int) -> list[Sample]:
    """Rows that start at entries of maps of several sizes, and after a convolution or two."""
    gen = Generator().manual_seed(seed)
    like = torch.zeros((), dtype=torch.float64)
    shape = torch.Size((1, 2, 7, 6))
    index = torch.randint(0, shape.numel(), (4, 3), generator=gen)
    first: Coefficient = Windows.units(index, shape, like)
    found = [first, Unit(index, shape, like), first.with_negative()]
    weight = torch.randn(2, 3, 3, 2, generator=gen, dtype=torch.float64)
    reached, before = Conv(weight, None, (1, 1), (1, 1), (1, 1), 1), torch.Size((1, 3, 7, 5))
    found.append(first.through(reached, [before])[0])
    strided = Conv(torch.randn(3, 3, 2, 2, generator=gen, dtype=torch.float64), None, (2, 1), (0, 1), (1, 1), 1)
    found.append(found[-1].through(strided, [torch.Size((1, 3, 14, 4))])[0])
    found += [*groups(gen, 7), *groups(gen, 1)]
    found.append(Dense(torch.randn(4, 3, 1, 2, 1, 6, generator=gen, dtype=torch.float64).expand(-1, -1, -1, -1, 7, -1)))
    return [Sample(c, Dense(c.dense().contiguous()), torch.Size(c.dense().shape[2:])) for c in found]


def groups(gen: Generator, height: int) -> Iterator[Grouped]:
    """What lines of groups of six entries make of rows over `(1, 2, 7)`, or of rows that are the same along the 7."""
    rows = torch.randn(4, 3, 1, 2, height, generator=gen, dtype=torch.float64)
    low, high = torch.randn(2, 3, 1, 2, 7, 6, generator=gen, dtype=torch.float64)
    yield Grouped(rows.clamp(min=0), rows.clamp(max=0), Slopes(low, high))


def movers(shape: torch.Size, seed: int) -> list[tuple[Affine, list[torch.Size]]]:
    """Affine ops whose output has this shape, with the shapes of their arguments."""
    gen = Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=gen, dtype=torch.float64)

    n, channels, height, width = shape
    return [
        (
            Conv(normal(channels, 2, 3, 3), normal(channels), (1, 1), (1, 1), (1, 1), 1),
            [torch.Size((n, 2, *shape[2:]))],
        ),
        (
            Conv(normal(channels, 1, 2, 2), None, (2, 2), (0, 0), (1, 1), channels),
            [torch.Size((n, channels, 2 * height, 2 * width))],
        ),
        (
            Conv(normal(channels, 2, 2, 1), None, (1, 1), (1, 0), (2, 1), 1),
            [torch.Size((n, 2, height, width))],
        ),
        (
            ConvTranspose(normal(2, channels, 2, 2), None, (1, 1), (0, 0), (0, 0), (1, 1), 1),
            [torch.Size((n, 2, height - 1, width - 1))],
        ),
        (
            ConvTranspose(normal(2, channels, 3, 2), None, (2, 1), (1, 0), (0, 0), (1, 1), 1),
            [torch.Size((n, 2, (height + 1) // 2, width - 1))],
        ),
        (
            ConvTranspose(normal(channels, 1, 2, 2), None, (3, 2), (0, 1), (1, 1), (1, 2), channels),
            [torch.Size((n, channels, height // 3, width // 2))],
        ),
        *resized(shape),
        (Shift(normal(channels, 1, 1)), [shape]),
        (Scale(normal(channels, 1, 1)), [shape]),
        (Scale(normal(*shape)), [shape]),
        (Sum((1, -1)), [shape, shape]),
        (Sum((1, 1)), [shape, torch.Size((channels, 1, 1))]),
        (Pad(((0, 0), (0, 0), (1, 0), (0, 1))), [torch.Size((n, channels, height - 1, width - 1))]),
        (Pad(((0, 0), (0, 0), (-2, 0), (0, -1))), [torch.Size((n, channels, height + 2, width + 1))]),
        (Reshape(tuple(shape)), [torch.Size((shape.numel(),))]),
        (Transpose((0, 1, 3, 2)), [torch.Size((n, channels, width, height))]),
        (Concat(1), [torch.Size((n, 1, height, width)), torch.Size((n, channels - 1, height, width))]),
    ]


def resized(shape: torch.Size) -> Iterator[tuple[Affine, list[torch.Size]]]:
    """Rows or columns that are repeated, all of them equally often or not."""
    for axis in (2, 3):
        for size in range(1, shape[axis] + 1):
            index = torch.arange(size).repeat_interleave(-(-shape[axis] // size))[: shape[axis]]
            yield Gather(index, axis), [torch.Size((*shape[:axis], size, *shape[axis + 1 :]))]


def equal(small: Coefficient, whole: Coefficient, what: str) -> None:
    assert torch.allclose(small.dense(), whole.dense(), rtol=1e-9, atol=1e-9), f"{what} of what is stored small differs"


def law_sums(sample: Sample, seed: int) -> None:
    """`dot` and `magnitude_dot`, with one tensor for all inputs or one each; `reach` is not below."""
    gen = Generator().manual_seed(seed)
    for batch in (1, sample.whole.values.shape[1]):
        x = torch.randn((batch, *sample.shape), generator=gen, dtype=torch.float64)
        assert torch.allclose(sample.small.dot(x), sample.whole.dot(x)), "dot differs"
        assert torch.allclose(sample.small.magnitude_dot(x.abs()), sample.whole.magnitude_dot(x.abs())), "|.| differs"
        least = sample.whole.magnitude_dot(x.abs())
        assert bool((sample.small.reach(x.abs()) >= least - 1e-12 * least.abs()).all()), "reach is too small"


def law_through(sample: Sample, seed: int) -> None:
    """Every kind of affine op, twice over where the result is carried on, and added to itself."""
    for op, shapes in movers(sample.shape, seed):
        pairs: Sequence[tuple[Coefficient, Coefficient]] = list(
            zip(sample.small.through(op, shapes), sample.whole.through(op, shapes), strict=True)
        )
        for small, whole in pairs:
            equal(small, whole, f"through {op.label}")
            equal(small.with_negative(), whole.with_negative(), "with_negative")
            equal(small.plus(small), whole.plus(whole), "plus")


def law_plus(sample: Sample, seed: int) -> None:
    """Sums of rows that came different ways: both meet at one map, with windows of other sizes and places."""
    gen = Generator().manual_seed(seed)
    channels = sample.shape[1]
    kernels = [(3, 1), (1, 0), (5, 2)]
    ways = [Conv(torch.randn(channels, 2, k, k, generator=gen, dtype=torch.float64), None, (1, 1), (p, p), (1, 1), 1)
            for k, p in kernels]  # fmt: skip
    before = [torch.Size((1, 2, *sample.shape[2:]))]
    small = [sample.small.through(op, before)[0] for op in ways]
    whole = [sample.whole.through(op, before)[0] for op in ways]
    down = ConvTranspose(torch.randn(2, channels, 3, 3, generator=gen, dtype=torch.float64), None, (2, 2), (1, 1),
                         tuple(1 - n % 2 for n in sample.shape[2:]), (1, 1), 1)  # fmt: skip
    up = Conv(torch.randn(2, 2, 3, 3, generator=gen, dtype=torch.float64), None, (2, 2), (1, 1), (1, 1), 1)
    between = [torch.Size((1, 2, *((n + 1) // 2 for n in sample.shape[2:])))]  # and back: at a distance that varies
    small.append(sample.small.through(down, between)[0].through(up, before)[0])
    whole.append(sample.whole.through(down, between)[0].through(up, before)[0])
    for a, b in ((0, 1), (1, 0), (2, 1), (0, 2), (0, 3), (3, 1)):
        equal(small[a].plus(small[b]), whole[a].plus(whole[b]), "plus")
        equal(small[a].plus(whole[b]), whole[a].plus(whole[b]), "plus of mixed kinds")


def law_relax(sample: Sample, seed: int) -> None:
    """Lines with and without intercepts, also ones that differ by row."""
    gen = Generator().manual_seed(seed)
    relaxation, batch = ReluRelaxation(), sample.whole.values.shape[1]
    for lead in ((batch,), (len(sample.whole.values), batch)):
        slopes = Slopes(*(torch.rand((*lead, *sample.shape), generator=gen, dtype=torch.float64) for _ in range(2)))
        greatest = torch.rand((batch, *sample.shape), generator=gen, dtype=torch.float64)
        for lines in (
            Lines(slopes, None, greatest),
            Lines(slopes, -greatest, None),
            Lines(slopes, -greatest, greatest),
        ):
            (small, a), (whole, b) = (c.relax(relaxation, lines) for c in (sample.small, sample.whole))
            equal(small, whole, "relax")
            assert torch.allclose(a, b), "constants of relax differ"
            for op, shapes in movers(sample.shape, seed):
                for x, y in zip(small.through(op, shapes), whole.through(op, shapes), strict=True):
                    equal(x, y, f"relax, then through {op.label}")
