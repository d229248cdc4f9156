"""Edges of regions: errors, selection, empty interiors, values that are not numbers."""

import pytest
import torch
from regions.laws import make

from verifier.errors import InputError
from verifier.numerics import up
from verifier.regions import ball, box, linf

NORMS = [1, 2, torch.inf]


def test_a_box_is_taken_exactly() -> None:
    lower, upper = torch.tensor([[0.1, -1.0]]), torch.tensor([[0.1, 2.0]])
    region = box(lower, upper)
    assert region.contains(lower).all()
    assert region.contains(upper).all()
    assert not region.contains(up(upper)).any()
    assert torch.equal(region.sample(torch.Generator())[:, 0], lower[:, 0])


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([[1.0]], [[0.0]], "empty"),
        ([[float("nan")]], [[0.0]], "NaN"),
        ([[0.0]], [[float("inf")]], "infinite"),
        ([[0.0]], [[0.0, 1.0]], "shape"),
    ],
)
def test_impossible_boxes_are_refused(lower: list[list[float]], upper: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        box(torch.tensor(lower), torch.tensor(upper))


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_impossible_radii_are_refused(p: float, radius: float) -> None:
    with pytest.raises(InputError, match="radii"):
        make(torch.zeros(1, 2), radius, p)


@pytest.mark.parametrize("p", NORMS)
def test_a_region_without_valid_inputs_is_refused(p: float) -> None:
    with pytest.raises(InputError, match="valid"):
        make(torch.full((1, 2), 200.0), 0.1, p, 0.0, 1.0)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize(("least", "most"), [(float("nan"), 1.0), (0.0, float("nan"))])
def test_a_range_that_is_no_number_is_refused(p: float, least: float, most: float) -> None:
    with pytest.raises(InputError, match="range"):
        make(torch.zeros(1, 2), 0.1, p, least, most)


def test_other_norms_are_refused() -> None:
    with pytest.raises(InputError, match="1 or 2"):
        ball(torch.zeros(1, 2), 0.1, 3, 0.0, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_in_no_region(p: float, bad: float) -> None:
    region = make(torch.zeros(1, 2), 0.5, p, -torch.inf, torch.inf)
    assert not region.contains(torch.tensor([[bad, 0.0]])).any()
    assert region.contains(torch.zeros(1, 2)).all()


@pytest.mark.parametrize("p", NORMS)
def test_select_keeps_what_belongs_together(p: float) -> None:
    generator = torch.Generator().manual_seed(0)
    center = torch.rand(6, 4, generator=generator).double()
    radius = torch.rand(6, 1, generator=generator).double()
    region = make(center, radius, p)
    index = torch.tensor([4, 1, 1])
    a = torch.randn(3, 6, 4, generator=generator).double()
    assert torch.equal(region.select(index).minimum(a[:, index]), region.minimum(a)[:, index])
    assert region.select(index).batch == 3
    kept = torch.tensor([False, True, False, False, False, True])
    assert torch.equal(region.select(kept).box().lower, region.box().lower[kept])


@pytest.mark.parametrize("p", [1, 2])
def test_a_centre_outside_the_valid_range(p: float) -> None:
    """Normalised data may do that: bounds stay sound, and proposed points are inside or refused."""
    generator = torch.Generator().manual_seed(2)
    region = make(torch.full((1, 3), 1.1), 0.5, p, 0.0, 1.0)
    a = torch.randn(8, 1, 3, generator=generator).double()
    low = region.minimum(a)
    for _ in range(50):
        x = region.sample(generator, torch.float64)
        if region.contains(x).all():
            assert ((a * x).flatten(2).sum(2) >= low - 1e-9).all()


def test_per_feature_ranges() -> None:
    most = torch.tensor([[0.5, 0.2]])
    region = linf(torch.tensor([[0.4, 0.2]]), 0.3, torch.zeros(1, 2), most)
    assert torch.equal(region.box().upper, most.double())


@pytest.mark.parametrize("p", NORMS)
def test_a_frozen_centre_between_floats_has_no_witness(p: float) -> None:
    """Radius zero at 0.1: no float32 lies inside; nothing is accepted, and nothing is NaN."""
    region = make(torch.full((1, 2), 0.1, dtype=torch.float64), 0.0, p)
    x = region.sample(torch.Generator())
    assert x.isfinite().all()
    assert not region.contains(x).any()
    assert region.contains(region.sample(torch.Generator(), torch.float64)).all()


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("radius", [0.05, 1.0, 5.0])
def test_projections_of_images_are_inside(p: float, radius: float) -> None:
    """Hundreds of pixels off the float32 grid cost a share of the radius each; the projection must save it elsewhere,
    and where all is on the grid, stay inside by its own rounding."""
    generator = torch.Generator().manual_seed(3)
    center = torch.randint(0, 256, (20, 784), generator=generator).double() / 255
    for c in (center, center.round()):
        region = make(c, radius, p)
        x = c.float()
        for _ in range(4):
            some = torch.rand(x.shape, generator=generator) < 0.01
            x = region.project(x + some * torch.randn(x.shape, generator=generator))
            assert region.contains(x).all()
        full = ((x - c) / radius).norm(p=p, dim=1)
        assert (full > 0.99).all() or radius == 5.0
