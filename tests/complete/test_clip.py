"""What linear bounds leave of boxes holds every point in which no row of some open clause is positive."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.searches import Puzzle, work
from laws.strategies import examples

from verifier.complete import clip, input_split
from verifier.complete.boxes import Boxes, whole
from verifier.complete.clip import Remainder, clipped, combined
from verifier.complete.input_split import InputSplit
from verifier.complete.pace import LONG, Pace
from verifier.interval import Interval
from verifier.verdict import Verified

SEEDS = st.integers(0, 2**20)
POINTS = 2000


def asked(seed: int, inputs: int, clause: tuple[int, ...]) -> tuple[Boxes, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three boxes, and rows over them: base, coefficients and clauses."""
    generator = torch.Generator().manual_seed(seed)
    lower = torch.randn(3, inputs, generator=generator, dtype=torch.float64)
    upper = lower + 2 * torch.rand(3, inputs, generator=generator, dtype=torch.float64)
    boxes = whole(Interval(lower, upper), max(clause) + 1)
    slope = torch.randn(len(clause), 3, inputs, generator=generator, dtype=torch.float64)
    slope = slope * (torch.rand(slope.shape, generator=generator) < 0.8)  # some inputs don't matter
    swing = (slope.abs() * (upper - lower)).sum(2)
    base = -swing * torch.rand(swing.shape, generator=generator, dtype=torch.float64)
    return boxes, base, slope, torch.tensor(clause)


def values(boxes: Boxes, base: torch.Tensor, slope: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The rows at points `(P, N, n)`: `(P, S, N)`."""
    end = torch.where(slope > 0, boxes.lower, boxes.upper)
    return base + (slope * (x.unsqueeze(1) - end)).sum(3)


@examples(60)
@given(seed=SEEDS, inputs=st.integers(1, 4), clause=st.sampled_from([(0,), (0, 0), (0, 0, 0), (0, 1), (0, 0, 1, 1, 2)]))
def test_nothing_open_is_cut_off(seed: int, inputs: int, clause: tuple[int, ...]) -> None:
    boxes, base, slope, owner = asked(seed, inputs, clause)
    left = clipped(boxes, base, slope, owner)
    generator = torch.Generator().manual_seed(seed + 1)
    x = boxes.lower + boxes.width * torch.rand(POINTS, 3, inputs, generator=generator, dtype=torch.float64)
    found = values(boxes, base, slope, x)
    broken = torch.stack([(found[:, owner == k] <= -1e-12).all(1) for k in range(max(clause) + 1)], 2)  # (P, N, K)
    inside = ((x >= left.lower) & (x <= left.upper)).all(2)
    assert not bool((broken & ~left.open).any()), "a clause was closed that can be broken"
    assert not bool((broken.any(2) & ~inside).any()), "a point was cut off in which a clause can be broken"


@examples(60)
@given(seed=SEEDS, inputs=st.integers(1, 4), rows=st.integers(2, 5))
def test_a_combination_is_below_the_greatest_row(seed: int, inputs: int, rows: int) -> None:
    boxes, base, slope, _ = asked(seed, inputs, (0,) * rows)
    bound, direction = combined(Remainder(boxes.lower, boxes.upper), base, slope)
    x = boxes.lower + boxes.width * torch.rand(POINTS, 3, inputs, dtype=torch.float64)
    best = values(boxes, base, slope, x).amax(1)
    one = values(boxes, bound.unsqueeze(0), direction.unsqueeze(0), x)[:, 0]
    assert bool((one <= best + 1e-12).all())
    assert bool((bound >= base.mean(0) - 1e-12).all())  # equal weights are tried first


def test_two_rows_prove_together_what_neither_does() -> None:
    """x > -0.1 or x < 0.1 holds everywhere in [-1, 1], though each fails somewhere."""
    ends = torch.ones(1, 1, dtype=torch.float64)
    base, slope = torch.tensor([[-0.9], [-0.9]]).double(), torch.tensor([[[1.0]], [[-1.0]]]).double()
    both = clipped(whole(Interval(-ends, ends), 1), base, slope, torch.tensor([0, 0]))
    each = clipped(whole(Interval(-ends, ends), 2), base, slope, torch.tensor([0, 1]))
    assert not bool(both.open.any())
    assert bool(each.open.all())


def test_wrong_weights_are_noticed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Were the bound of a combination not that of the combination, points would be lost."""
    original = clip.combined
    monkeypatch.setattr(clip, "combined", lambda *args: (original(*args)[0] + 1, original(*args)[1]))
    lost = 0
    for seed in range(20):
        boxes, base, slope, clause = asked(seed, 2, (0, 0))
        x = boxes.lower + boxes.width * torch.rand(POINTS, 3, 2, dtype=torch.float64)
        broken = (values(boxes, base, slope, x) <= -1e-12).all(1)
        left = clipped(boxes, base, slope, clause)
        lost += int((broken & ~left.open[:, 0]).sum())
    assert lost


def test_a_slow_first_box_makes_rounds_short() -> None:
    pace = Pace(64, 2048)
    pace.after(1, 1.0)
    assert pace.size == int(2 * LONG)
    pace = Pace(64, 2048)
    pace.after(1, 0.01)
    assert pace.size == 64


def test_a_clause_that_clipping_closed_has_no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where other clauses keep the box as it is."""

    def closed(boxes: Boxes, *_: torch.Tensor, once: bool) -> Boxes:
        return replace(boxes, open=torch.zeros_like(boxes.open))

    monkeypatch.setattr(input_split, "clipped", closed)
    asked = Puzzle((3,), ("linear", "relu", "linear", "relu"), 1, 1.0, "box", 1.0, (0, 1), (), 0.01).problem()
    (verdict,) = InputSplit()(asked, work(5.0, 100))
    assert isinstance(verdict, Verified)
    assert verdict.margin == 0.0
