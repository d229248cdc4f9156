"""The laws of `laws.py` for boxes and balls of all kinds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from regions.laws import (
    exactly_inside,
    law_attained,
    law_box,
    law_minimum,
    law_outwards,
    law_samples,
    law_surface,
    law_witness,
    make,
)
from torch import Tensor

from verifier.numerics import down, up

NORMS = [1, 2, torch.inf]
KINDS = ["scalar", "per sample", "per feature", "zero", "one free pixel", "tiny", "huge"]
SHAPE = (2, 3)
BATCH = 5


def images(seed: int, shape: tuple[int, ...] = (BATCH, *SHAPE)) -> Tensor:
    """8-bit images, so that centres are on the float32 grid only sometimes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator).double() / 255


def on_grid(x: Tensor) -> Tensor:
    return x.float().double()


def radii(kind: str) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    whole = torch.ones((BATCH, *SHAPE), dtype=torch.float64)
    match kind:
        case "scalar":
            return whole * 0.3
        case "per sample":
            return whole * torch.rand(BATCH, generator=generator, dtype=torch.float64).reshape(-1, 1, 1)
        case "per feature":
            return torch.rand(SHAPE, generator=generator, dtype=torch.float64).expand_as(whole)
        case "zero":
            return whole * 0
        case "one free pixel":
            mask = torch.zeros_like(whole)
            mask[:, 1, 2] = 0.4
            return mask
        case "tiny":
            return whole * 1e-6
        case "huge":
            return whole * 50.0
    raise ValueError(kind)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limits", [(0.0, 1.0), (-torch.inf, torch.inf)])
def test_laws(p: float, kind: str, limits: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(11)
    region = make(on_grid(images(1)), radii(kind), p, *limits)
    law_samples(region, generator)
    law_minimum(region, generator)
    law_outwards(region, generator)
    law_minimum(region.to(torch.float32, "cpu"), generator)
    if p == torch.inf or limits[0] == -torch.inf:
        law_attained(region, generator)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_rounded_outwards_off_the_grid(p: float, kind: str) -> None:
    law_outwards(make(images(2), radii(kind), p), torch.Generator().manual_seed(3))


@pytest.mark.parametrize("p", [1, 2])
def test_a_valid_range_only_tightens(p: float) -> None:
    """No looser than the ball alone and the box alone, even where the box lies far inside the ball."""
    generator = torch.Generator().manual_seed(4)
    for radius in (0.01, 0.1, 0.4, 1.0, 1.5, 3.0, 10.0):
        center = images(6)
        region, alone = make(center, radius, p), make(center, radius, p, -torch.inf, torch.inf)
        whole = make(center, radius, torch.inf)
        a = torch.randn((10, BATCH, *SHAPE), generator=generator, dtype=torch.float64)
        assert (region.minimum(a) >= alone.minimum(a) - 1e-9).all()
        assert (region.minimum(a) >= whole.minimum(a) - 1e-9).all()


@pytest.mark.parametrize("p", [1, 2])
def test_minimum_with_a_range_is_nearly_attained(p: float) -> None:
    """Against a projected-gradient solution of the primal problem."""
    generator = torch.Generator().manual_seed(9)
    region = make(on_grid(images(7)), 0.8, p)
    a = torch.randn((1, BATCH, *SHAPE), generator=generator, dtype=torch.float64)
    x = region.minimiser(a[0])
    for step in range(400):
        x = region.project(x - a[0] * 0.5 / (1 + step))
    reached = (a * x).flatten(2).sum(2)
    assert (reached - region.minimum(a)).max() < (0.1 if p == 1 else 0.02)


COORDINATE = st.integers(-400, 400).map(lambda k: k / 255)
OFFSETS = st.sampled_from([0, 1, -1, 2, -2, 1000, -1000])


@settings(max_examples=150, deadline=None)
@given(
    center=st.lists(COORDINATE, min_size=2, max_size=2),
    radius=st.sampled_from([0.0, 0.1, 1 / 255, 0.03, 0.5, 1e-9, 1 / 3]),
    direction=st.sampled_from(
        [(1.0, 0.0), (-1.0, 0.0), (0.6, 0.8), (-0.8, 0.6), (0.5, 0.5), (1.0, 1.0), (0.28, -0.96)]
    ),
    ulps=st.tuples(OFFSETS, OFFSETS),
)
def test_contains_agrees_with_exact_arithmetic(
    center: list[float], radius: float, direction: tuple[float, float], ulps: tuple[int, int]
) -> None:
    """Points on the surface, moved by a few ulps: whatever is accepted is exactly inside."""
    c = torch.tensor([center], dtype=torch.float64)
    r = torch.full_like(c, radius)
    for dtype in (torch.float32, torch.float64):
        x = (c + r * torch.tensor([direction], dtype=torch.float64)).to(dtype)
        moved = [up(v, n) if n > 0 else down(v, -n) for v, n in zip(x[0], ulps, strict=True) if abs(n) < 9]
        x = torch.stack(moved).unsqueeze(0) if len(moved) == 2 else x * (1 + ulps[0] * 2.0**-24)
        for p in NORMS:
            if exactly_inside_range(c, -1.0, 1.0):
                law_witness(c, r, p, -1.0, 1.0, x)


def exactly_inside_range(c: Tensor, least: float, most: float) -> bool:
    return bool(((c >= least) & (c <= most)).all())


@settings(max_examples=100, deadline=None)
@given(c=COORDINATE, r=st.floats(0, 1), p=st.sampled_from(NORMS))
def test_one_ulp_outside_is_refused(c: float, r: float, p: float) -> None:
    """In one dimension the end is known: the last float inside is accepted by a box, the next one by no region."""
    center, radius = torch.tensor([[c]], dtype=torch.float64), torch.tensor([[r]], dtype=torch.float64)
    region = make(center, radius, p, -9.0, 9.0)
    x = (center + radius).float()
    while exactly_inside(center[0], radius[0], p, -9.0, 9.0, x[0]):
        x = up(x)
    assert not region.contains(x)
    while not exactly_inside(center[0], radius[0], p, -9.0, 9.0, x[0]) and float(x) >= c - r:
        assert not region.contains(x)
        x = down(x)
    if p == torch.inf and float(x) >= c - r:
        assert region.contains(x)


@settings(max_examples=100, deadline=None)
@given(c=COORDINATE, r=st.floats(0, 1))
def test_inner_and_outer_of_a_box_hold_the_exact_ends_between_them(c: float, r: float) -> None:
    """Rounding may only separate what is attacked from what is proved, never let a witness lie in no proof."""
    law_box(c, r)


@pytest.mark.parametrize("p", NORMS)
def test_points_around_the_surface(p: float) -> None:
    law_surface(p)
