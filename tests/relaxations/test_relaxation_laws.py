"""The laws of `laws.py` for every row of the table, on random and special intervals, in both dtypes."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from relaxations.laws import (
    CURVES,
    GROUPS,
    OPS,
    intervals,
    law_gap,
    law_image,
    law_linear,
    law_lines,
    relaxation_of,
    shape_of,
    slopes,
)

from verifier.graph.op import Op
from verifier.interval import Interval
from verifier.relaxations.curves import covered
from verifier.relaxations.level import Level
from verifier.relaxations.relaxation import Slopes
from verifier.relaxations.table import RELAXATIONS
from verifier.relaxations.wrap import Wrapping

ALL: dict[str, Op] = {**OPS, **CURVES, **GROUPS}
DTYPES = [torch.float64, torch.float32]


def all_laws(op: Op, x: Interval, generator: torch.Generator) -> None:
    relaxation = relaxation_of(op)
    law_gap(relaxation, op, x, slopes(generator, x.lower), generator)
    law_lines(relaxation, op, x, None, generator)
    law_lines(relaxation, op, x, Slopes(slopes(generator, x.lower), slopes(generator, x.lower)), generator)
    law_image(relaxation, op, x, generator)
    law_linear(relaxation, op, x, generator)


def test_every_row_of_the_table_is_tested() -> None:
    """Those whose arguments are places or whole numbers have laws of their own."""
    own = (Level, Wrapping)
    assert {type(op) for op in ALL.values()} == {op for op, row in RELAXATIONS.items() if not isinstance(row, own)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_laws_on_random_intervals(name: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(7)
    all_laws(ALL[name], intervals(generator, dtype, shape_of(ALL[name], 400, 3)), generator)


ENDS = st.floats(allow_nan=False, allow_infinity=True, width=32)


def any_interval(op: Op, a: float, b: float, seed: int) -> None:
    """Infinite ends too: bounds may then be infinite or NaN, which proves nothing, but never finite and wrong."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.tensor([a, b], dtype=torch.float32)
    x = Interval(ends.amin().expand(shape_of(op, 1, 3)), ends.amax().expand(shape_of(op, 1, 3)))
    law_gap(relaxation_of(op), op, x, slopes(generator, x.lower), generator)
    law_lines(relaxation_of(op), op, x, None, generator)
    law_image(relaxation_of(op), op, x, generator)


@settings(max_examples=60, deadline=None)
@given(a=ENDS, b=ENDS, seed=st.integers(0, 2**30))
def test_laws_on_any_interval(a: float, b: float, seed: int) -> None:
    for op in (*OPS.values(), *GROUPS.values()):
        any_interval(op, a, b, seed)


@settings(max_examples=8, deadline=None)
@given(a=ENDS, b=ENDS, seed=st.integers(0, 2**30))
@example(a=-2.472754191479603e16, b=-1581016940544.0, seed=0)  # derivatives that underflow
def test_laws_of_curves_on_any_interval(a: float, b: float, seed: int) -> None:
    for op in CURVES.values():
        any_interval(op, a, b, seed)


@pytest.mark.parametrize("name", ALL)
def test_finite_intervals_have_finite_bounds(name: str) -> None:
    """Soundness by NaN would be cheap: on ordinary intervals no bound may be lost."""
    generator = torch.Generator().manual_seed(3)
    x = intervals(generator, torch.float64, shape_of(ALL[name], 200, 3))
    if name in CURVES:
        low, high = CURVES[name].forward(x.lower), CURVES[name].forward(x.upper)
        usual = covered(CURVES[name], x) & low.isfinite() & high.isfinite()
        x = x[usual].reshape((-1,))
    for bound in relaxation_of(ALL[name]).gap(ALL[name], x, slopes(generator, x.lower)):
        assert bound.isfinite().all()
    lines = relaxation_of(ALL[name]).lines(ALL[name], x)
    assert lines.slopes.lower.isfinite().all()
    assert lines.slopes.upper.isfinite().all()


def two_sided(lower: float, upper: float, dtype: torch.dtype) -> Interval:
    return Interval(torch.tensor([[lower]], dtype=dtype), torch.tensor([[upper]], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_extreme_widths(name: str, dtype: torch.dtype) -> None:
    """Widths that overflow or underflow: a chord clamped away from zero lay below the function there."""
    generator = torch.Generator().manual_seed(1)
    finfo = torch.finfo(dtype)
    for size in (finfo.max, finfo.max / 3, finfo.tiny / 100, finfo.tiny * finfo.eps):
        for lower, upper in ((-1, 1), (-0.5, 1), (-1, 0.001), (0, 1), (-1, 0)):
            ends = two_sided(lower * size, upper * size, dtype)
            shape = shape_of(ALL[name], 1, 1)
            x = Interval(ends.lower.expand(shape), ends.upper.expand(shape))
            law_lines(relaxation_of(ALL[name]), ALL[name], x, None, generator)
            law_image(relaxation_of(ALL[name]), ALL[name], x, generator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_has_its_first_jump_where_halves_are_lost(dtype: torch.dtype) -> None:
    """`x - 0.5` rounds to -1 just above -0.5, which once hid the jump at 0.5."""
    x = Interval(
        torch.nextafter(torch.tensor([[-0.5]], dtype=dtype), torch.zeros(1, 1, dtype=dtype)),
        torch.full((1, 1), 9.2, dtype=dtype),
    )
    least, _ = relaxation_of(ALL["round"]).gap(ALL["round"], x, torch.full((1, 1), 0.65, dtype=dtype))
    assert float(least) <= -0.65 * 0.5 + 1e-6
    law_gap(relaxation_of(ALL["round"]), ALL["round"], x, torch.full((1, 1), 0.65, dtype=dtype), torch.Generator())
