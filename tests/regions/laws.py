"""What every region must obey, as functions that the tests and the mutants share. Exact comparisons use fractions."""

from fractions import Fraction

import torch
from torch import Tensor

from verifier.numerics import down, gamma, up
from verifier.regions import Ball, Region, ball, linf

SAMPLES = 20


def fractions(x: Tensor) -> list[Fraction]:
    return [Fraction(v) for v in x.double().flatten().tolist()]


def exactly_inside(center: Tensor, radius: Tensor, p: float, least: float, most: float, x: Tensor) -> bool:
    """Is one point, in exact arithmetic, in the ball of the question, as the user asked it?"""
    spent = Fraction(0)
    for c, r, v in zip(fractions(center), fractions(radius), fractions(x), strict=True):
        if not (least <= v <= most):
            return False
        off = abs(v - c)
        if p == torch.inf:
            if off > r:
                return False
        elif off:
            if not r:
                return False
            spent += (off / r) ** int(p)
    return spent <= 1


def make(center: Tensor, radius: Tensor | float, p: float, least: float = 0.0, most: float = 1.0) -> Region:
    if p == torch.inf:
        return linf(center, radius, least, most)
    return ball(center, radius, int(p), least, most)  # type: ignore[arg-type]


def law_samples(region: Region, generator: torch.Generator) -> None:
    """Sampled and projected points, and minimisers, are inside; all points inside lie in the box."""
    box = region.box()
    wild = torch.randn(box.lower.shape, generator=generator, dtype=torch.float64) * 3
    found = [region.sample(generator) for _ in range(SAMPLES)]
    found += [region.sample(generator, torch.float64), region.project(wild), region.project(wild.float())]
    found += [region.project(region.minimiser(wild).float())]
    for x in found:
        assert region.contains(x).all(), "a proposed point is outside"
        assert (x.double() >= box.lower.double()).all()
        assert (x.double() <= box.upper.double()).all()


def law_minimum(region: Region, generator: torch.Generator, rows: int = 4) -> None:
    """No point of the region has less than `minimum`, but for rounding as far as `scale` accounts for it."""
    a = torch.randn((rows, region.batch, *region.shape), generator=generator, dtype=torch.float64)
    a = a.to(region.box().lower.dtype)
    low = region.minimum(a)
    slack = gamma(a[0, 0].numel(), a.dtype) * (a.abs() * region.scale()).flatten(2).sum(2)
    points = [region.sample(generator, torch.float64) for _ in range(SAMPLES)]
    points += [region.project(region.minimiser(row).double()) for row in a]
    inside = region.to(torch.float64, "cpu")
    for x in points:
        value = (a.double() * x.double()).flatten(2).sum(2)
        assert (low.double() <= value + slack.double())[:, inside.contains(x)].all(), "a point lies below the minimum"


def law_attained(region: Region, generator: torch.Generator, tolerance: float = 1e-6) -> None:
    """The minimiser reaches the minimum."""
    a = torch.randn((1, region.batch, *region.shape), generator=generator, dtype=torch.float64)
    x = region.minimiser(a[0]).double()
    assert torch.allclose((a * x).flatten(2).sum(2), region.minimum(a), rtol=tolerance, atol=tolerance)


def law_witness(center: Tensor, radius: Tensor, p: float, least: float, most: float, x: Tensor) -> None:
    """`contains` has no tolerance: whatever it accepts is inside exactly."""
    region = make(center, radius, p, least, most)
    for i, accepted in enumerate(region.contains(x).tolist()):
        if accepted:
            assert exactly_inside(center[i], radius[i], p, least, most, x[i]), "a point outside was accepted"


def law_outwards(region: Region, generator: torch.Generator) -> None:
    """In float32 the region still holds all its points: its box and its minima do."""
    moved = region.to(torch.float32, "cpu")
    box, outer = region.box(), moved.box()
    assert outer.lower.dtype == torch.float32
    assert (outer.lower.double() <= box.lower).all()
    assert (outer.upper.double() >= box.upper).all()
    if isinstance(moved, Ball):
        wide = Ball(moved.center.double(), moved.radius.double(), moved.p, outer.to(torch.float64), moved.inner)
        steps = [region.sample(generator, torch.float64) for _ in range(SAMPLES)]
        steps += [vertex(region, k) for k in range(min(4, torch.Size(region.shape).numel()))]  # type: ignore[arg-type]
        for x in steps:
            z = ((x - wide.center) / wide.radius).nan_to_num(0.0).flatten(1)
            norm = z.norm(p=wide.p, dim=1)
            assert (norm <= 1 + 1e-12).all(), f"float32 lost a point of the ball by {float(norm.max()) - 1:.1e}"


def vertex(region: Ball, k: int) -> Tensor:
    """The ball's point farthest along coordinate `k`, as far as the box reaches."""
    unit = torch.zeros(region.center[0].numel(), dtype=torch.float64)
    unit[k] = 1.0
    x = region.center + unit.reshape(region.shape) * region.radius
    return torch.minimum(torch.maximum(x, region.outer.lower), region.outer.upper)


def law_box(c: float, r: float) -> None:
    """What is proved holds all of `[c - r, c + r]`, what is attacked nothing beyond it, in exact arithmetic."""
    region = linf(torch.tensor([[c]], dtype=torch.float64), r, -torch.inf, torch.inf)
    least, greatest = Fraction(c) - Fraction(r), Fraction(c) + Fraction(r)
    assert Fraction(float(region.outer.lower)) <= least, "a proof misses the lower end"
    assert Fraction(float(region.outer.upper)) >= greatest, "a proof misses the upper end"
    for x in (region.inner.lower, down(region.inner.lower), region.inner.upper, up(region.inner.upper)):
        if region.contains(x).all():
            assert least <= Fraction(float(x)) <= greatest, "an attack may leave the question's region"


def law_surface(p: float) -> None:
    """Points a hair around the surface of many balls are accepted only where exact arithmetic agrees."""
    generator = torch.Generator().manual_seed(0)
    center = torch.randint(0, 256, (300, 3), generator=generator).double() / 255
    radius = torch.rand((300, 1), generator=generator, dtype=torch.float64).expand_as(center)
    step = torch.randn((300, 3), generator=generator, dtype=torch.float64)
    x = center + step / step.norm(p=p, dim=1, keepdim=True) * radius
    for moved in (x, x.float(), up(x), down(x)):
        law_witness(center, radius, p, -torch.inf, torch.inf, moved)
