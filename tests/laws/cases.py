"""Questions about random networks: regions of every kind, specifications, and many points that a bound must respect."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.properties import Specification
from verifier.regions import Ball, Box, Region, ball, box, linf

REGIONS = ("linf", "sample", "feature", "pixel", "point", "box", "l2", "l1")
CLAUSES = ((0, 0, 1, 2), (0, 1, 2, 3), (0, 0, 0, 0), (1, 0, 1, 0))
CORNERS = 6  # free coordinates up to which all corners of a box are tried


@dataclass(frozen=True, eq=False)
class Case:
    """A network, where its inputs may be, and what must hold there."""

    graph: Graph
    region: Region
    specification: Specification

    def select(self, index: Tensor) -> "Case":
        return Case(self.graph, self.region.select(index), self.specification.select(index))


def make_region(kind: str, shape: tuple[int, ...], batch: int, seed: int, size: float = 0.2) -> Region:
    """A region around random centres in [0, 1]; `size` is about its radius."""
    gen = Generator().manual_seed(seed)
    center = torch.rand((batch, *shape), generator=gen)
    share = torch.rand((batch, *shape), generator=gen)
    match kind:
        case "linf":
            return linf(center, size, 0.0, 1.0)
        case "sample":
            radius = size * torch.rand((batch, *(1,) * len(shape)), generator=gen)
            return linf(center, radius, 0.0, 1.0)
        case "feature":
            return linf(center, torch.where(share < 0.4, 0.0, size * share), 0.0, 1.0)
        case "pixel":
            free = torch.zeros(torch.Size(shape).numel())
            free[int(torch.randint(len(free), (), generator=gen))] = 1.0
            return linf(center, free.reshape(1, *shape), 0.0, 1.0)
        case "point":
            return box(center, center)
        case "box":
            return box(center - share, center + size * share)
        case "l2":
            return ball(center, 2 * size, 2, 0.0, 1.0)
        case "l1":
            return ball(center, 3 * size, 1, 0.0, 1.0)
    raise ValueError(f"no region is called {kind!r}")


def make_specification(graph: Graph, batch: int, seed: int, clause: Sequence[int] = (0, 0, 1, 2)) -> Specification:
    gen = Generator().manual_seed(seed)
    rows = torch.randn((len(clause), batch, *graph.output_shape), generator=gen, dtype=torch.float64)
    offset = torch.randn((len(clause), batch), generator=gen, dtype=torch.float64)
    return Specification(rows, offset, tuple(clause))


def points(case: Case, seed: int, count: int = 24) -> list[Tensor]:
    """Points of every region, each `(B, *in)` float64: its middle, extreme ones, random ones, and worse ones."""
    gen, region = Generator().manual_seed(seed), case.region
    middle = region.project(region.box().center)
    noise = [torch.randn(middle.shape, generator=gen, dtype=torch.float64) for _ in range(count)]
    found = [middle, *(region.minimiser(n) for n in noise), *(region.sample(gen).double() for _ in range(count))]
    found += corners(region) + [worst(case, x) for x in found[: count // 4]]
    return [region.project(x) if not bool(region.contains(x).all()) else x for x in found]


def corners(region: Region) -> list[Tensor]:
    """All corners of small boxes, exactly."""
    if not isinstance(region, Box):
        return []
    lower, upper = region.inner.lower, region.inner.upper
    free = (lower < upper).any(0).flatten().nonzero().flatten().tolist()
    if len(free) > CORNERS:
        return []
    out = []
    for number in range(2 ** len(free)):
        at_upper = torch.zeros(lower[0].numel(), dtype=torch.bool)
        at_upper[[f for k, f in enumerate(free) if number >> k & 1]] = True
        out.append(torch.where(at_upper.reshape(lower.shape[1:]), upper, lower))
    return out


def worst(case: Case, x: Tensor) -> Tensor:
    """From `x` to where the gradient of the least row points."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        values = case.specification.values(case.graph(x))
        gradient = torch.zeros_like(x)
        if values.requires_grad:
            found = torch.autograd.grad(values.amin(0).sum(), x, allow_unused=True)[0]
            gradient = gradient if found is None else found.nan_to_num(0.0)
    return case.region.minimiser(gradient)


def inside(case: Case, x: Tensor) -> Tensor:
    """`(B,)`: which of the points lie in their region, without tolerance."""
    return case.region.contains(x)


def smaller(region: Region, share: float, seed: int) -> Region:
    """A region of the same kind that lies inside, about `share` as wide."""
    gen = Generator().manual_seed(seed)
    if isinstance(region, Ball):
        return type(region)(region.center, region.radius * share, region.p, region.outer, region.inner)
    lower, upper = region.box().lower, region.box().upper
    width = (upper - lower) * share
    start = lower + (upper - lower - width) * torch.rand(lower.shape, generator=gen, dtype=torch.float64)
    return box(torch.maximum(start, lower), torch.minimum(torch.maximum(start, lower) + width, upper))


def steep() -> Case:
    """`relu(v) + relu(u + 2) - relu(u + 3) + 1.1` is at least 0.1, but relu(v) looks steep by its area: -0.8."""
    weight, shift = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), torch.tensor([0.0, 2.0, 3.0])
    builder = Builder("x", (2,))
    builder.add(Linear(weight.double(), shift.double()), builder.input, name="z")
    builder.add(Relu(), "z", name="r")
    builder.add(Linear(torch.tensor([[1.0, 1.0, -1.0]]).double(), torch.tensor([1.1]).double()), "r", name="y")
    region = box(torch.tensor([[-1.0, -0.9]]), torch.tensor([[1.0, 1.0]]))
    asked = Specification(torch.ones(1, 1, 1).double(), torch.zeros(1, 1).double(), (0,))
    return Case(builder.finish("y", {}), region, asked)
