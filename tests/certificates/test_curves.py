"""The checker's smooth functions beside 60 digits: lines lie below and above for any slope, on any interval."""

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

from verifier.certificates import curves
from verifier.certificates.curved import Curved
from verifier.certificates.curves import Piece, curve
from verifier.certificates.numbers import Numbers
from verifier.certificates.rules import rule
from verifier.errors import UnsupportedModel
from verifier.graph.op import Op
from verifier.graph.ops import smooth as ops
from verifier.graph.ops.activation import Sigmoid, Tanh
from verifier.interval import Interval
from verifier.relaxations.table import RELAXATIONS

Exact = Callable[[mpf], mpf]
DIGITS = 60


def sigma(x: mpf) -> mpf:
    return 1 / (1 + mpmath.exp(-x))


def softplus(x: mpf) -> mpf:
    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


def elu(op: ops.Elu) -> Exact:
    return lambda x: mpf(op.scale) * (x if x > 0 else mpf(op.alpha) * mpmath.expm1(x / mpf(op.width)))


def hard_swish(x: mpf) -> mpf:
    return x * min(max(x / 6 + mpf(1) / 2, mpf(0)), mpf(1))


def gelu(x: mpf) -> mpf:
    return x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2 if abs(x) < 1e4 else max(x, mpf(0))


def gelu_tanh(x: mpf) -> mpf:
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpf(0.044715) * x**3)))


def power(p: float) -> tuple[Op, Exact]:
    return ops.Power(p), lambda x: mpmath.power(x, mpf(p))


WIDE, FEW, ONE = ops.Elu(1.0), ops.Elu(2.5, 1.25, 0.5), ops.Elu(-0.5)
FUNCTIONS: list[tuple[Op, Exact]] = [
    (Sigmoid(), sigma),
    (Tanh(), mpmath.tanh),
    (ops.Exp(), mpmath.exp),
    (ops.Exponential(0.3), lambda x: mpmath.power(mpf(0.3), x)),
    (ops.Exponential(3.0), lambda x: mpmath.power(mpf(3), x)),
    (ops.Log(), mpmath.log),
    (ops.Sin(), mpmath.sin),
    (ops.Cos(), mpmath.cos),
    (ops.Asin(), mpmath.asin),
    (ops.Acos(), mpmath.acos),
    (ops.Atan(), mpmath.atan),
    (ops.Sinh(), mpmath.sinh),
    (ops.Cosh(), mpmath.cosh),
    (ops.Asinh(), mpmath.asinh),
    (ops.Erf(), lambda x: mpmath.erf(x) if abs(x) < 1e4 else mpmath.sign(x)),
    (ops.Softplus(), softplus),
    (ops.Softsign(), lambda x: x / (1 + abs(x))),
    (ops.Silu(), lambda x: x * sigma(x)),
    (ops.Gelu(), gelu),
    (ops.GeluTanh(), gelu_tanh),
    (ops.Mish(), lambda x: x * mpmath.tanh(softplus(x))),
    (ops.HardSwish(), hard_swish),
    *((op, elu(op)) for op in (WIDE, FEW, ONE)),
    *(power(p) for p in (2.0, 3.0, 4.0, 0.5, 1.7, 0.3, -1.0, -2.0, -0.5, 1.0)),
]
NAMES = [f"{op.label} {getattr(op, 'exponent', getattr(op, 'alpha', ''))}".strip() for op, _ in FUNCTIONS]
SIZES = (1e-300, 1e-12, 1e-3, 1.0, 5.0, 40.0, 1e4, 1e9, 1e200)


def intervals(gen: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of all sizes, at all places, points and halves as well: `(1, count)`."""
    center = gen.choice([0.0, *SIZES], count) * gen.normal(size=count)
    ends = center + gen.choice([0.0, *SIZES], count) * gen.normal(size=(2, count))
    ends = np.where(gen.random((2, count)) < 0.1, gen.choice([0.0, 1.0, -1.0, 5e-324], count), ends)
    ends[:, : count // 3] = abs(ends[:, : count // 3])  # where roots and logarithms are defined
    ends[:, : count // 6] %= 1.0
    return ends.min(0)[None], ends.max(0)[None]


def points(gen: np.random.Generator, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    share = np.concatenate([np.linspace(0, 1, 5), gen.random(7), 10.0 ** -gen.integers(0, 17, 4)])[:, None]
    x = lower * (1 - share) + upper * share
    return np.clip(np.where(np.isfinite(x), x, 0.0), lower, upper)


def defined(op: Op, x: float) -> bool:
    match op:
        case ops.Log():
            return x > 0
        case ops.Power(p):
            return (x >= 0 or p == round(p)) and (x != 0 or p > 0)
        case ops.Asin() | ops.Acos():
            return abs(x) <= 1
    return True


def enclosed(op: Op, exact: Exact, lower: np.ndarray, upper: np.ndarray, low: np.ndarray, x: np.ndarray) -> int:
    """How many points lie between lines and in images that say something; fails where one does not."""
    own = rule(op, lower.shape[1:], Numbers())
    with np.errstate(all="ignore"):
        line, image = own.lines(lower, upper, low, low), own.image(lower, upper)
    assert line.least is not None
    assert not np.isnan([line.least, line.greatest, *image]).any()
    told = 0
    with mpmath.workdps(DIGITS):
        for k in range(x.shape[1]):
            ends = [float(v[0, k]) for v in (line.low, line.least, line.high, line.greatest, *image)]
            for at in x[:, k].tolist():
                if not defined(op, at) or (abs(at) > 1e6 and isinstance(op, ops.Sinh | ops.Cosh | ops.Exponential)):
                    continue
                if abs(at) > 1e5 and isinstance(op, ops.Exp):
                    continue  # mpmath would compute all digits
                y, p = exact(mpf(at)), mpf(at)
                assert math.isinf(ends[1]) or mpf(ends[0]) * p + mpf(ends[1]) <= y, (at, lower[0, k], upper[0, k])
                assert math.isinf(ends[3]) or mpf(ends[2]) * p + mpf(ends[3]) >= y, (at, lower[0, k], upper[0, k])
                assert ends[1] < math.inf, at
                assert ends[3] > -math.inf, at
                assert ends[4] <= y <= ends[5], (at, lower[0, k], upper[0, k])
                told += math.isfinite(ends[1])
    return told


@pytest.mark.parametrize(("op", "exact"), FUNCTIONS, ids=NAMES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_lines_enclose_for_any_slope(op: Op, exact: Exact, seed: int) -> None:
    gen = np.random.default_rng(seed)
    lower, upper = intervals(gen, 18)
    steep = gen.choice([0.0, 1e-9, 0.3, 1.0, 30.0, 1e150], 18) * gen.normal(size=(1, 18))
    own = rule(op, (18,), Numbers())
    with np.errstate(all="ignore"):
        least, most = own.range(lower, upper)[0]
    usual = least + gen.random((1, 18)) * (most - least)
    slope = np.where((gen.random((1, 18)) < 0.5) | ~np.isfinite(usual), steep, usual)
    assert enclosed(op, exact, lower, upper, slope, points(gen, lower, upper)) > 0


@pytest.mark.parametrize(("op", "exact"), FUNCTIONS, ids=NAMES)
def test_overflow_says_nothing(op: Op, exact: Exact) -> None:
    """No end of an infinite interval becomes a bound that is no number, or one that excludes a value."""
    lower = np.array([[-np.inf, -np.inf, 1.0, -np.inf, 0.0, np.nan]])
    upper = np.array([[np.inf, -2.0, np.inf, 0.0, np.inf, 1.0]])
    x = np.array([[0.5, -3.0, 2.0, -1.0, 0.25, 0.5], [-4.0, -2.0, 1.0, -0.5, 7.0, 0.5]])
    enclosed(op, exact, lower, upper, np.array([[0.0, 0.1, -0.1, 0.0, 0.2, 0.0]]), x)


@pytest.mark.parametrize(("op", "exact"), FUNCTIONS, ids=NAMES)
def test_facts(op: Op, exact: Exact) -> None:
    """Values and derivatives are as exact as promised, and derivatives rise or fall as pieces say."""
    gen, facts = np.random.default_rng(1), curve(op)
    x = np.sort(np.concatenate([gen.normal(size=14) * s for s in (0.01, 1.0, 4.0, 30.0)]))
    x = x[np.array([defined(op, v) for v in x.tolist()])]
    gamma = Numbers().gamma(facts.roundings)
    with mpmath.workdps(3 * DIGITS), np.errstate(all="ignore"):
        for piece in facts.pieces(np.array(x)):
            inside = (x > piece.lower) & (x < piece.upper)
            at, sign = x[inside], np.broadcast_to(piece.sign, x.shape)[inside]
            for v, slope, y, bent in zip(at, piece.derivative(x)[inside], facts.value(at), sign, strict=True):
                true, rise = exact(mpf(v)), mpmath.diff(exact, mpf(v))
                assert abs(mpf(float(y)) - true) <= gamma / 4 * (abs(true) + facts.steep * abs(v)) + 1e-300, v
                assert abs(mpf(float(slope)) - rise) <= gamma / 4 * (abs(rise) + facts.steep) + 1e-300, v
                assert int(bent) * mpmath.diff(exact, mpf(v), 2) >= -(mpf(10) ** -30), v


@pytest.mark.parametrize(("op", "exact"), FUNCTIONS, ids=NAMES)
def test_as_tight_as_the_search(op: Op, exact: Exact) -> None:
    """What a search proves by a margin is proved here: ranges of slopes are its own, gaps nearly."""
    gen = np.random.default_rng(2)
    ends = np.sort(gen.uniform(0.01, 0.9, (2, 1, 400)), axis=0)
    if isinstance(op, ops.Asin | ops.Acos):
        ends[:, :, :200] *= -1
    elif not isinstance(op, ops.Log | ops.Power):
        ends[:, :, :200] = np.sort(ends[:, :, :200] * gen.normal(size=(2, 1, 200)) * 6, axis=0)
    lower, upper = ends.min(0), ends.max(0)
    theirs, x = RELAXATIONS[type(op)], Interval(torch.from_numpy(lower), torch.from_numpy(upper))
    own = rule(op, (400,), Numbers())
    for ours, bound in zip(own.range(lower, upper)[0], [s.lower for s in theirs.range(op, x)], strict=True):
        assert np.allclose(ours, bound.numpy(), rtol=1e-6, atol=1e-6)
    slope = theirs.guess(op, x)
    line, usual = own.lines(lower, upper, slope.lower.numpy(), slope.upper.numpy()), theirs.lines(op, x, slope)
    assert line.least is not None
    assert usual.least is not None
    assert usual.greatest is not None
    area = (usual.greatest - usual.least).abs().numpy() + 1e-6
    fixed = own.linear(lower, upper)[0]
    assert (fixed | (line.least >= usual.least.numpy() - 1e-3 * area)).all()
    assert (fixed | (line.greatest <= usual.greatest.numpy() + 1e-3 * area)).all()


@pytest.mark.parametrize("op", [ops.Elu(1.0, 1.0, -1.0), ops.Power(1e17)])
def test_far_parameters_have_no_rule(op: Op) -> None:
    with pytest.raises(UnsupportedModel, match="no rule"):
        rule(op, (2,), Numbers())


def test_fractions_have_no_roots() -> None:
    with pytest.raises(UnsupportedModel, match="without --exact"):
        rule(ops.Power(0.5), (2,), Numbers(exact=True))


def _holds(op: Op, exact: Exact, seeds: int = 12) -> None:
    """The law above, for several seeds and slopes between the usual ones."""
    for seed in range(seeds):
        gen = np.random.default_rng(seed)
        ends = np.sort(gen.normal(size=(2, 1, 8)) * gen.choice([0.1, 1.0, 3.0], 8), axis=0)
        with np.errstate(all="ignore"):
            least, most = rule(op, (8,), Numbers()).range(*ends)[0]
        enclosed(op, exact, *ends, least + gen.random((1, 8)) * (most - least), points(gen, *ends))


def _trusting(self: Curved, piece: Piece, a: np.ndarray, b: np.ndarray, slope: np.ndarray, side: int) -> np.ndarray:
    near, far = self._bracket(piece, a, b, slope, side)
    return np.minimum(self._height(near, slope, side), self._height(far, slope, side))


@pytest.mark.parametrize("op", [0, 1, 6, 18], ids=lambda k: NAMES[k])
def test_the_law_notices_a_point_that_is_trusted(op: int, monkeypatch: pytest.MonkeyPatch) -> None:
    function, exact = FUNCTIONS[op]
    _holds(function, exact)
    monkeypatch.setattr(Curved, "_tangents", _trusting)
    monkeypatch.setattr("verifier.certificates.curved.HALVINGS", 3)
    monkeypatch.setattr("verifier.certificates.curves._artanh", lambda slope: 0 * slope + 0.5)
    monkeypatch.setattr("verifier.certificates.curves._turned", lambda start, sign, slope: start + 0 * slope)
    with pytest.raises(AssertionError):
        _holds(function, exact)


def test_the_law_notices_a_wrong_bend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.certificates.curves._silu", curves._gelu)
    with pytest.raises(AssertionError):
        _holds(ops.Silu(), FUNCTIONS[17][1], 40)


def test_the_law_notices_rounding_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Numbers, "gamma", lambda self, terms: 0.0)
    monkeypatch.setattr(Numbers, "tiny", 0.0)
    with pytest.raises(AssertionError):
        _holds(ops.Exp(), mpmath.exp)
