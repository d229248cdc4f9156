"""Products, softmax and functions that bend: tight where they can be, sound with any guess, noticed when broken."""

from dataclasses import replace

import pytest
import torch
from relaxations.laws import CURVES, intervals, law_gap, law_lines, points, relaxation_of, residual, slopes
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.product import Product
from verifier.graph.ops.smooth import Exp, Power, Sin
from verifier.graph.ops.softmax import Softmax
from verifier.interval import Interval
from verifier.relaxations import curved
from verifier.relaxations.curves import Piece, covered, pieces
from verifier.relaxations.product import ProductRelaxation


def moderate(seed: int, *shape: int) -> Interval:
    ends = torch.randn((2, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
    return Interval(ends.amin(0), ends.amax(0))


@pytest.mark.parametrize("name", CURVES)
def test_gaps_of_curves_are_close(name: str) -> None:
    """Two tangents leave little: a fine grid comes within a small share of the gap."""
    op, x = CURVES[name], moderate(4, 200)
    x = x[covered(op, x)]
    if not len(x.lower):
        x = Interval(torch.rand(50).double() / 2, 0.5 + torch.rand(50).double() / 2)
    slope = relaxation_of(op).guess(op, x).upper
    least, greatest = relaxation_of(op).gap(op, x, slope)
    share = torch.linspace(0, 1, 4001, dtype=torch.float64).unsqueeze(1)
    values = residual(op, x.lower + (x.upper - x.lower) * share, slope)
    size = 1e-3 * (1 + values.amax(0) - values.amin(0))
    assert (values.amin(0) - least < size).all()
    assert (greatest - values.amax(0) < size).all()


@pytest.mark.parametrize("name", CURVES)
def test_images_of_curves_are_close(name: str) -> None:
    """A level line's stationary point may be at infinity: then an end has the extreme. A minus zero turned it round."""
    op, x = CURVES[name], moderate(4, 200)
    x = x[covered(op, x)]
    if not len(x.lower):
        x = Interval(torch.rand(50).double() / 2, 0.5 + torch.rand(50).double() / 2)
    share = torch.linspace(0, 1, 4001, dtype=torch.float64).unsqueeze(1)
    values = op.forward(x.lower + (x.upper - x.lower) * share)
    image, size = relaxation_of(op).image(op, x), 1e-3 * (values.amax(0) - values.amin(0)) + 1e-9
    assert (values.amin(0) - image.lower < size).all()
    assert (image.upper - values.amax(0) < size).all()


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0, -5.0, torch.nan, torch.inf])
def test_a_falsified_stationary_point_only_loosens(place: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def anywhere(op: Op, x: Interval) -> list[Piece]:
        def guess(slope: Tensor) -> Tensor:
            return x.lower + place * (x.upper - x.lower) + 0 * slope

        return [piece if piece.linear else replace(piece, stationary=guess) for piece in pieces(op, x)]

    monkeypatch.setattr(curved, "pieces", anywhere)
    generator = torch.Generator().manual_seed(6)
    for op in CURVES.values():
        x = intervals(generator, torch.float64, (100, 3))
        law_gap(relaxation_of(op), op, x, slopes(generator, x.lower), generator)
        law_lines(relaxation_of(op), op, x, None, generator)


def test_tangents_without_a_certificate_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the value at a guessed point is taken for the least one."""

    def trusting(op: Op, piece: Piece, inside: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        return inside.center, op.forward(inside.center)

    monkeypatch.setattr(curved, "_tangent", trusting)
    generator = torch.Generator().manual_seed(6)
    x = moderate(1, 300, 3)
    with pytest.raises(AssertionError):
        law_gap(relaxation_of(Exp()), Exp(), x, slopes(generator, x.lower), generator)


@pytest.mark.parametrize("name", CURVES)
def test_gaps_have_the_slopes_of_their_stationary_points(name: str) -> None:
    """What an optimiser is told: minus the point at which a line touches."""
    op, x = CURVES[name], moderate(4, 200)
    x = x[covered(op, x) & (x.upper - x.lower > 1e-2)]
    slope = (relaxation_of(op).guess(op, x).upper * 1.001).requires_grad_()
    step = 1e-5 * (1 + slope.detach().abs())
    for side in (0, 1):
        (told,) = torch.autograd.grad(relaxation_of(op).gap(op, x, slope)[side].sum(), slope)
        with torch.no_grad():
            ahead, behind = (relaxation_of(op).gap(op, x, slope + sign * step)[side] for sign in (1, -1))
        off = (told - (ahead - behind) / (2 * step)).abs()
        assert (off < 1e-2 * (1 + x.magnitude)).double().mean() > 0.95, "all but those at a corner"


def test_a_forgotten_corner_is_noticed() -> None:
    class Mutant(ProductRelaxation):
        def gap(self, op, x, slope):  # type: ignore[no-untyped-def]
            value = residual(Product(), torch.stack([x.lower, x.upper]), slope)
            return value.amin(0), value.amax(0)

    generator = torch.Generator().manual_seed(6)
    x = moderate(2, 300, 2)
    with pytest.raises(AssertionError):
        law_gap(Mutant(), Product(), x, slopes(generator, x.lower), generator)


def test_products_are_exact() -> None:
    """The gap is attained, the lines are no looser than the interval anywhere, and level where that is best."""
    generator, op = torch.Generator().manual_seed(3), Product()
    x = moderate(5, 500, 2)
    relaxation, slope = relaxation_of(op), slopes(generator, x.lower)
    corners = torch.stack([torch.stack([a, b], -1) for a in ends(x, 0) for b in ends(x, 1)])
    values = residual(op, corners, slope)
    least, greatest = relaxation.gap(op, x, slope)
    assert torch.allclose(values.amin(0), least)
    assert torch.allclose(values.amax(0), greatest)
    lines, image = relaxation.lines(op, x), relaxation.image(op, x)
    low = torch.minimum(lines.slopes.lower * x.lower, lines.slopes.lower * x.upper).sum(-1) + lines.least
    high = torch.maximum(lines.slopes.upper * x.lower, lines.slopes.upper * x.upper).sum(-1) + lines.greatest
    assert torch.allclose(low, image.lower)
    assert torch.allclose(high, image.upper)
    plane = (lines.slopes.lower * x.center).sum(-1) + lines.least
    assert torch.allclose(plane, x.center.prod(-1) - x.radius.prod(-1)), "McCormick's value at the centre"


def ends(x: Interval, k: int) -> tuple[Tensor, Tensor]:
    return x.lower[..., k], x.upper[..., k]


def test_squares_are_tighter_than_products() -> None:
    x = moderate(6, 100)
    image = relaxation_of(Power(2.0)).image(Power(2.0), x)
    assert (image.lower >= 0).all()
    pair = Interval(torch.stack([x.lower] * 2, -1), torch.stack([x.upper] * 2, -1))
    assert (relaxation_of(Product()).image(Product(), pair).lower <= image.lower).all()


def test_long_waves_are_between_minus_one_and_one() -> None:
    x = Interval(torch.tensor([[-1e5, 0.0, 3.0]]).double(), torch.tensor([[1e12, 7.0, 3.5]]).double())
    image = relaxation_of(Sin()).image(Sin(), x)
    assert image.lower[0, :2].tolist() == [-1.0, -1.0]
    assert image.upper[0, :2].tolist() == [1.0, 1.0]
    assert float(image.upper[0, 2]) < 0.15


def test_shares_have_exact_intervals_and_close_planes() -> None:
    """In small boxes the planes leave an area of the order of the square of the width."""
    op, middle = Softmax(), moderate(7, 200, 5).center
    gaps = []
    for width in (0.1, 0.01):
        x = Interval(middle - width, middle + width)
        lines = relaxation_of(op).lines(op, x)
        low = (lines.slopes.lower * middle).sum(-1) + lines.least
        high = (lines.slopes.upper * middle).sum(-1) + lines.greatest
        gaps.append(float((high - low).amax()))
        values = residual(op, points(x, torch.Generator().manual_seed(1), 5), torch.zeros_like(x.lower))
        image = relaxation_of(op).image(op, x)
        assert (values >= image.lower - 1e-12).all()
        assert (values <= image.upper + 1e-12).all()
    assert gaps[1] < gaps[0] / 50
