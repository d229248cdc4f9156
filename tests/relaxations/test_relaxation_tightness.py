"""Beyond soundness: exact gaps where they can be exact, and the choices that make bounds tight."""

import pytest
import torch
from relaxations.laws import (
    ENTRIES,
    OPS,
    intervals,
    law_gap,
    law_lines,
    number,
    points,
    relaxation_of,
    residual,
    slopes,
)

from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, Relu, Sigmoid, Sign, Tanh
from verifier.graph.ops.pool import Max
from verifier.interval import Interval
from verifier.relaxations.piecewise_linear import PiecewiseLinear
from verifier.relaxations.relaxation import Slopes
from verifier.relaxations.s_shaped import SShaped

STAIRS = ("floor", "ceil", "round", "trunc")
EXACT = [name for name in OPS if name not in ("sigmoid", "tanh", *STAIRS)]
SMOOTH: dict[str, Op] = {"sigmoid": Sigmoid(), "tanh": Tanh()}


def moderate(seed: int, shape: tuple[int, ...] = (2000,)) -> Interval:
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randn((2, *shape), generator=generator, dtype=torch.float64) * 3
    return Interval(ends.amin(0), ends.amax(0))


@pytest.mark.parametrize("name", EXACT)
def test_gaps_of_pieces_are_attained(name: str) -> None:
    """The least and greatest values are met at some point (or beside a jump), to rounding."""
    x, generator = moderate(1), torch.Generator().manual_seed(2)
    slope = slopes(generator, x.lower)
    least, greatest = relaxation_of(OPS[name]).gap(OPS[name], x, slope)
    values = residual(OPS[name], points(x, generator, 2), slope)
    assert torch.allclose(values.amin(0), least, rtol=1e-9, atol=1e-9)
    assert torch.allclose(values.amax(0), greatest, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", STAIRS)
def test_gaps_of_stairs_are_attained(name: str) -> None:
    """On short intervals every jump is among the points."""
    middle = moderate(3).center
    x = Interval(middle - 0.7, middle + 0.7)
    generator = torch.Generator().manual_seed(2)
    slope = slopes(generator, x.lower).clamp(-5, 5)
    least, greatest = relaxation_of(OPS[name]).gap(OPS[name], x, slope)
    values = residual(OPS[name], points(x, generator), slope)
    assert torch.allclose(values.amin(0), least, atol=1e-9)
    assert torch.allclose(values.amax(0), greatest, atol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_gaps_of_smooth_functions_are_close(name: str) -> None:
    """The stationary point is good enough: a fine grid comes within a small share of the gap."""
    op, x = SMOOTH[name], moderate(4, (300,))
    steep = relaxation_of(op).steepness(op)
    slope = torch.rand(300, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * steep
    least, greatest = relaxation_of(op).gap(op, x, slope)
    share = torch.linspace(0, 1, 2001, dtype=torch.float64).unsqueeze(1)
    values = residual(op, x.lower + (x.upper - x.lower) * share, slope)
    assert torch.allclose(values.amin(0), least, atol=1e-5)
    assert torch.allclose(values.amax(0), greatest, atol=1e-5)


def falsified(factor: float, shift: float) -> SShaped:
    class Falsified(SShaped):
        def stationary(self, op: Op, slope: torch.Tensor) -> torch.Tensor:
            return super().stationary(op, slope) * factor + shift

    return Falsified()


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize(("factor", "shift"), [(0.0, 0.0), (1.0, 0.3), (-1.0, 0.0), (0.5, -2.0), (0.0, 1e9)])
def test_a_falsified_stationary_point_only_loosens(name: str, factor: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(6)
    x = intervals(generator, torch.float64, (500, 3))
    law_gap(falsified(factor, shift), SMOOTH[name], x, slopes(generator, x.lower), generator)
    law_lines(falsified(factor, shift), SMOOTH[name], x, None, generator)


def test_closed_relu_equals_the_general_form() -> None:
    x = moderate(7)
    closed, general = relaxation_of(Relu()).lines(Relu(), x), PiecewiseLinear().lines(Relu(), x)
    assert closed.least is None
    assert general.least is not None
    assert general.greatest is not None
    assert closed.greatest is not None
    assert torch.allclose(general.least, torch.zeros_like(general.least), atol=1e-12)
    assert torch.allclose(closed.slopes.upper, general.slopes.upper)
    assert torch.allclose(closed.greatest, general.greatest)
    assert torch.allclose(closed.slopes.lower, general.slopes.lower)
    for mine, theirs in zip(
        relaxation_of(Relu()).gap(Relu(), x, x.lower), PiecewiseLinear().gap(Relu(), x, x.lower), strict=True
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("lower", "upper", "slope"), [(-1.0, 2.0, 1.0), (-2.0, 1.0, 0.0), (1.0, 2.0, 1.0), (-2.0, -1.0, 0.0)]
)
def test_crown_takes_the_lower_line_of_least_area(lower: float, upper: float, slope: float) -> None:
    lines = relaxation_of(Relu()).lines(Relu(), Interval(number(lower).reshape(1, 1), number(upper).reshape(1, 1)))
    assert float(lines.slopes.lower) == slope


@pytest.mark.parametrize("op", [Abs(), Clip(number(-1.0), number(2.0)), Sigmoid(), Tanh(), Relu(), Sign()])
def test_lines_are_no_looser_than_the_image_at_the_centre(op: Op) -> None:
    x = moderate(8)
    lines, image = relaxation_of(op).lines(op, x), relaxation_of(op).image(op, x)
    least = 0.0 if lines.least is None else lines.least
    assert lines.greatest is not None
    assert (lines.slopes.lower * x.center + least >= image.lower - 1e-9).all()
    assert (lines.slopes.upper * x.center + lines.greatest <= image.upper + 1e-9).all()


def group(lower: list[float], upper: list[float]) -> Interval:
    return Interval(torch.tensor([[lower]], dtype=torch.float64), torch.tensor([[upper]], dtype=torch.float64))


def test_maximum_with_ties() -> None:
    """Equal points are decided; equal intervals are not, and both sides stay sound and tight."""
    relaxation, generator = relaxation_of(Max()), torch.Generator().manual_seed(1)
    same = group([1.0] * ENTRIES, [1.0] * ENTRIES)
    assert relaxation.linear(Max(), same).all()
    image = relaxation.image(Max(), same)
    assert float(image.lower) == float(image.upper) == 1.0
    rivals = group([0.0, 0.0], [1.0, 1.0])
    assert not relaxation.linear(Max(), rivals).any()
    law_lines(relaxation, Max(), rivals, None, generator)
    touching = group([0.0, -1.0], [1.0, 0.0])  # the second never exceeds the first
    assert relaxation.linear(Max(), touching).all()
    law_lines(relaxation, Max(), touching, Slopes(rivals.lower, rivals.upper), generator)


def test_a_decided_maximum_is_its_greatest_entry() -> None:
    x = group([2.0, -5.0, 0.0], [3.0, 1.0, 1.9])
    lines = relaxation_of(Max()).lines(Max(), x)
    for slope, intercept in ((lines.slopes.lower, lines.least), (lines.slopes.upper, lines.greatest)):
        assert slope.flatten().tolist() == [1.0, 0.0, 0.0]
        assert intercept is not None
        assert abs(float(intercept)) < 1e-12


def test_maximum_of_two_is_exact_below_and_above_the_box() -> None:
    """Its image is the greatest lower and the greatest upper end."""
    x = moderate(9, (200, ENTRIES))
    image = relaxation_of(Max()).image(Max(), x)
    assert torch.allclose(image.lower, x.lower.amax(-1))
    assert torch.allclose(image.upper, x.upper.amax(-1))
