"""What is read and written at computed places: values lie in their bounds, which are exact where places are known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.graph.ops.place import ArgMost, CutAt, PutAt, Square
from verifier.graph.ops.softmax import Differences
from verifier.interval import Interval
from verifier.relaxations.level import Level
from verifier.relaxations.table import RELAXATIONS

SQUARES: list[Square] = [
    CutAt(2, 5, 3),
    CutAt(1, 4, 2, missing=4.0),
    CutAt(1, 3, 6),  # longer than its axis
    PutAt((3, 4), 1, 2),
    PutAt((4,), 3, 2, passes=True),
    PutAt((2, 3, 2), 1, 3, passes=True),
    PutAt((1,), 2, 1),
]


def test_every_row_of_its_kind_is_tested() -> None:
    assert {*map(type, SQUARES), ArgMost} == {op for op, row in RELAXATIONS.items() if isinstance(row, Level)}


def length(op: Square) -> int:
    return max(op.read, op.made)


@pytest.mark.parametrize("op", SQUARES, ids=str)
@given(seed=st.integers(0, 10**6), reach=st.floats(0, 4), width=st.sampled_from([0.0, 0.3, 1.0, 3.0, torch.inf]))
@settings(max_examples=40, deadline=None)
def test_values_lie_between_their_lines(op: Square, seed: int, reach: float, width: float) -> None:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    n = length(op)
    center = ((2 * random(4, n) - 0.6) * 2 * reach).round() + 0.3 * random(4, n)
    radius = width * (random(4, n) < 0.5) if width < torch.inf else torch.where(random(4, n) < 0.1, torch.inf, 0.0)
    x = Interval(center - radius, center + radius)
    relaxation = RELAXATIONS[type(op)]
    slope = (random(4, n) - 0.5) * (random(1, 1) < 0.5)
    if width == torch.inf:
        slope = torch.zeros_like(slope)
    least, greatest = relaxation.gap(op, x, slope)
    for _ in range(8):
        share = random(4, n)
        end = share * x.lower.clamp(min=-50) + (1 - share) * x.upper.clamp(max=50)
        point = torch.where(random(4, n) < 0.3, x.lower.clamp(min=-50), end)
        point = torch.minimum(torch.maximum(point, x.lower), x.upper)
        value = op.forward(point) - slope * point
        there = ~value.isnan()
        assert (value[there] >= least.expand_as(value)[there] - 1e-9).all()
        assert (value[there] <= greatest.expand_as(value)[there] + 1e-9).all()
        assert least.expand_as(value)[~there].isneginf().all()  # with NaN nothing is proved
        assert greatest.expand_as(value)[~there].isposinf().all()


@pytest.mark.parametrize("op", SQUARES, ids=str)
def test_exact_at_known_places(op: Square) -> None:
    """Also where rounding has widened a place by a hair."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(50, length(op), generator=generator, dtype=torch.float64)
    first, last = (op.read - 1, op.read) if isinstance(op, CutAt) else (op.made, op.made + op.count * len(op.sizes))
    x[:, first:last] = 0.0 if isinstance(op, CutAt) else torch.arange(last - first) % min(op.sizes)
    hair = torch.zeros_like(x)
    hair[:, first:last] = 1e-9
    image = RELAXATIONS[type(op)].image(op, Interval(x - hair, x + hair))
    value = op.forward(x)
    if isinstance(op, PutAt):
        _, place, _ = op.parts(x)
        alone = torch.tensor([len({tuple(p) for p in row.tolist()}) == op.count for row in place])
    else:
        alone = ~value.isnan().any(1)
    known = value.isfinite() & alone.unsqueeze(1)
    assert torch.equal(image.lower[known], value[known])
    assert torch.equal(image.upper[known], value[known])


@pytest.mark.parametrize("last", [False, True])
@given(seed=st.integers(0, 10**6), width=st.sampled_from([0.0, 0.1, 1.0]))
@settings(max_examples=40, deadline=None)
def test_the_greatest_lies_between_its_lines(last: bool, seed: int, width: float) -> None:
    op, generator = ArgMost(4, last), torch.Generator().manual_seed(seed)
    center = torch.randint(-2, 3, (5, 4), generator=generator).double()
    lower, upper = center - width, center + width
    above = [Differences().forward(center).flatten(1) + sign * 2 * width for sign in (-1, 1)]
    slope = torch.rand(5, 12, generator=generator, dtype=torch.float64) - 0.5
    least, greatest = RELAXATIONS[ArgMost].gap(op, Interval(*above), slope)
    for _ in range(8):
        share = torch.randint(0, 3, (5, 4), generator=generator) / 2
        x = lower + share * (upper - lower)
        place = x.argmax(1) if not last else 3 - x.flip(1).argmax(1)
        d = Differences().forward(x).flatten(1)
        assert torch.equal(op.forward(d), place.double())
        value = place - (slope * d).sum(1)
        assert (least <= value + 1e-9).all()
        assert (value <= greatest + 1e-9).all()


def test_windows_between_two_places() -> None:
    op = CutAt(1, 6, 2)
    x = torch.tensor([[5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 1.0]], dtype=torch.float64)
    high = x.clone()
    high[:, 6] = 3.0
    image = RELAXATIONS[CutAt].image(op, Interval(x, high))
    assert image.lower[0, :2].tolist() == [1.0, 2.0]
    assert image.upper[0, :2].tolist() == [4.0, 4.0]
