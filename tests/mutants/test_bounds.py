"""Mutants: each bug of the catalogue that a bound can have is put in, and a law must notice it.

Every case first holds without the bug, so that what fails is the mutant and not the test.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from laws.cases import Case, make_region
from laws.comparison import DOUBLE, PROOF, law_exact_where_linear, law_proof_close
from laws.containment import law_containment, law_exact
from laws.invariance import law_batch, law_chunks, law_windows
from laws.verdicts import law_meaning, law_no_counterexample, law_nothing_proved
from mutation import MLP, Patch, fails_on, recipes
from torch import Tensor

from verifier.bounding import coefficient, propagate, zonotope
from verifier.bounding.backward import Backward
from verifier.bounding.coefficient import Coefficient, Dense, Unit
from verifier.bounding.copies import Twins
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.state import State
from verifier.bounding.windows import Windows, moved
from verifier.graph.build import Builder
from verifier.graph.graph import Node
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear, Sum
from verifier.interval import Interval
from verifier.properties import Specification
from verifier.regions import Box, box
from verifier.relaxations.piecewise_linear import PiecewiseLinear, ReluRelaxation
from verifier.relaxations.relaxation import Lines, Slopes

MAPS = ("conv", "norm", "relu", "residual", "conv")
PROVING = Options(proof=True)


def test_1_nan_read_as_proved(monkeypatch: Patch) -> None:
    """`not (bound <= 0)`: what is no number counts as positive."""
    original = Backward.bound

    def believing(self: Backward, start: str, rows: Coefficient, **options: Any) -> Tensor:
        found = original(self, start, rows, **options)
        return torch.where(found == -torch.inf, 1.0, found)

    def broken() -> Case:
        case = recipes(MLP)[0].case()
        node = case.graph.nodes[-1]
        op = replace(node.op, bias=torch.full((3,), float("nan"), dtype=torch.float64))  # type: ignore[call-arg]
        nodes = (*case.graph.nodes[:-1], replace(node, op=op))
        return replace(case, graph=replace(case.graph, nodes=nodes))

    law_nothing_proved(broken(), Crown(), PROVING)
    monkeypatch.setattr(Backward, "bound", believing)
    with pytest.raises(AssertionError):
        law_nothing_proved(broken(), Crown(), PROVING)


@pytest.mark.parametrize("mixed", ["amin", "amax"])
def test_6_and_or_mixed_up(mixed: str, monkeypatch: Patch) -> None:
    def margin(self: Specification, values: Tensor) -> Tensor:
        return values.amin(0) if mixed == "amin" else values.amax(0)

    def mutate() -> None:
        monkeypatch.setattr(Specification, "margin", margin)

    fails_on(law_meaning, recipes(MLP), mutate, 0.1)


@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=1)], ids=lambda m: m.name)
def test_15_proved_and_broken(method: propagate.Method, monkeypatch: Patch) -> None:
    """Bounds of clauses joined the wrong way prove what points break."""

    def mutate() -> None:
        monkeypatch.setattr(Specification, "margin", lambda self, values: values.amax(0))

    fails_on(lambda c: law_no_counterexample(c, method, PROVING), recipes(MLP), mutate, 0.05)


def test_8_ties_proved(monkeypatch: Patch) -> None:
    """`>=` with a tolerance instead of `>`."""
    builder = Builder("x", (1,))
    graph = builder.finish(builder.add(Linear(torch.ones(1, 1).double()), builder.input, name="same"), {})
    nothing = Specification(torch.zeros(1, 1, 1).double(), torch.zeros(1, 1).double(), (0,))
    case, margin = Case(graph, box(torch.ones(1, 1), torch.ones(1, 1)), nothing), Specification.margin

    def above(self: Specification, values: Tensor) -> Tensor:
        found = margin(self, values)
        return torch.where(found >= -1e-9, found.clamp(min=1e-300), found)

    law_nothing_proved(case, Crown(), PROVING)
    monkeypatch.setattr(Specification, "margin", above)
    with pytest.raises(AssertionError):
        law_nothing_proved(case, Crown(), PROVING)


@pytest.mark.parametrize("method", [Ibp(), Crown(), AlphaCrown(steps=1)], ids=lambda m: m.name)
def test_3_offset_skipped(method: propagate.Method, monkeypatch: Patch) -> None:
    step = Backward._step

    def skipping(self: Backward, node: object, c: Coefficient) -> object:
        return step(replace(self, offsets={}), node, c)  # type: ignore[arg-type]

    def mutate() -> None:
        monkeypatch.setattr(Backward, "_step", skipping)

    fails_on(lambda c: law_containment(c, method, DOUBLE), recipes(("norm", *MLP)), mutate, 0.1)


def test_3_negative_weights_skipped(monkeypatch: Patch) -> None:
    """An interval image by the weights instead of their absolute values."""

    def mutate() -> None:
        monkeypatch.setattr(Linear, "abs", lambda self: Linear(self.weight))

    fails_on(lambda c: law_containment(c, Ibp(), DOUBLE), recipes(MLP), mutate, 0.3)


@pytest.mark.parametrize("kind", [Dense, Windows])
def test_4_fan_out_overwrites(kind: type[Coefficient], monkeypatch: Patch) -> None:
    shape = (5,) if kind is Dense else (1, 1, 7, 6)
    layers = ("linear", "cancel", "double", "linear") if kind is Dense else ("conv", "residual", "double")
    cases = recipes(layers, shape=shape)

    def mutate() -> None:
        monkeypatch.setattr(kind, "plus", lambda self, other: other)

    if kind is Dense:
        fails_on(lambda c: law_containment(c, Crown(), DOUBLE), cases, mutate, 0.1)
    else:
        fails_on(law_windows, cases, mutate, 0.1)


def test_5_intercept_by_sampling(monkeypatch: Patch) -> None:
    """The gap measured at points between the ends, kinks left out."""

    def sampled(self: PiecewiseLinear, op: object, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
        points = [x.lower + (x.upper - x.lower) * share for share in (0.25, 0.5, 0.75)]
        values = torch.stack([op.forward(p) - slope * p for p in points])  # type: ignore[attr-defined]
        return values.amin(0), values.amax(0)

    def mutate() -> None:
        monkeypatch.setattr(PiecewiseLinear, "gap", sampled)

    layers = ("linear", "prelu", "linear", "abs", "clip")
    fails_on(lambda c: law_containment(c, Crown(), DOUBLE), recipes(layers), mutate, 0.5)


def test_5_upper_line_too_low(monkeypatch: Patch) -> None:
    """The chord's intercept forgotten."""
    lines = ReluRelaxation.lines

    def low(self: ReluRelaxation, op: object, x: Interval, slopes: Slopes | None = None) -> Lines:
        return replace(lines(self, op, x, slopes), greatest=None)  # type: ignore[arg-type]

    def mutate() -> None:
        monkeypatch.setattr(ReluRelaxation, "lines", low)

    fails_on(lambda c: law_containment(c, Crown(), DOUBLE), recipes(MLP), mutate, 0.5)


def test_5_slope_beyond_its_range(monkeypatch: Patch) -> None:
    """Optimised lower slopes of a ReLU that are not kept between 0 and 1, though the intercept 0 needs that."""

    def free(self: ReluRelaxation, op: object, x: Interval, slopes: Slopes | None = None) -> Lines:
        upper = self._chord(x)
        lower = (upper > 0.5).to(upper) if slopes is None else slopes.lower * 3 - 1
        return Lines(Slopes(lower, upper), None, (-x.lower).relu() * upper)

    def mutate() -> None:
        monkeypatch.setattr(ReluRelaxation, "lines", free)

    fails_on(lambda c: law_containment(c, AlphaCrown(steps=2), DOUBLE), recipes(MLP), mutate, 0.5)


@pytest.mark.parametrize("method", [Ibp(), Crown(), Zonotope()], ids=lambda m: m.name)
def test_7_boxes_of_the_batch_leak(method: propagate.Method, monkeypatch: Patch) -> None:
    """Every input gets the first one's box."""
    original = Box.box

    def first(self: Box) -> Interval:
        found = original(self)
        return Interval(found.lower[:1].expand_as(found.lower), found.upper[:1].expand_as(found.upper))

    def mutate() -> None:
        monkeypatch.setattr(Box, "box", first)

    fails_on(lambda c: law_containment(c, method, DOUBLE), recipes(MLP), mutate, 0.1)


def test_7_merged_boxes_are_no_longer_tight(monkeypatch: Patch) -> None:
    """Every input gets the hull of all boxes: sound, but another answer than alone."""
    original = Box.box

    def hull(self: Box) -> Interval:
        found = original(self)
        return Interval(found.lower.amin(0).expand_as(found.lower), found.upper.amax(0).expand_as(found.upper))

    def mutate() -> None:
        monkeypatch.setattr(Box, "box", hull)

    fails_on(lambda c: law_batch(c, Ibp(), DOUBLE), recipes(MLP), mutate, 0.1)


def test_14_answer_depends_on_the_budget(monkeypatch: Patch) -> None:
    """A budget that is met by leaving rows untightened."""
    refine = propagate._Run._refine

    def skip(self: propagate._Run, node: Node, same: Twins, alpha: object) -> None:
        if propagate.rows_at_once(self.state, node, alpha is not None, self.options.bytes) > 1:
            refine(self, node, same, alpha)  # type: ignore[arg-type]

    def mutate() -> None:
        monkeypatch.setattr(propagate._Run, "_refine", skip)

    fails_on(lambda c: law_chunks(c, Crown(), DOUBLE, 1), recipes(MLP), mutate, 0.5)


def test_14_windows_at_the_wrong_place(monkeypatch: Patch) -> None:
    """Padding forgotten on the way back."""
    convolved = Windows._convolved

    def shifted(self: Windows, op: object, shape: torch.Size) -> Windows:
        found = convolved(self, op, shape)  # type: ignore[arg-type]
        return replace(found, origin=found.origin + 1, span=moved(found.span, (1, 1), (-1, -1)))

    def mutate() -> None:
        monkeypatch.setattr(Windows, "_convolved", shifted)

    fails_on(law_windows, recipes(MAPS, shape=(1, 1, 7, 6)), mutate, 0.1)


def test_14_values_beside_the_map_count_as_zero(monkeypatch: Patch) -> None:
    convolved = Windows._convolved

    def mutate() -> None:
        monkeypatch.setattr(
            Windows, "_convolved", lambda self, op, shape: replace(convolved(self, op, shape), clean=True)
        )

    fails_on(law_windows, recipes(("conv", "conv", "pad", "conv"), shape=(1, 1, 7, 6)), mutate, 0.1)


def test_14_values_beside_the_map_are_kept(monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(Windows, "_inside", lambda self: self.values)

    fails_on(law_windows, recipes(("conv", "conv", "pad", "conv"), shape=(1, 1, 7, 6)), mutate, 0.1)


def test_18_batch_axis_taken_for_data(monkeypatch: Patch) -> None:
    """Starting entries of all inputs taken from the first one."""

    def first(self: Unit) -> Tensor:
        flat = self.like.new_zeros((*self.index.shape, self.shape.numel()))
        index = self.index[:, :1].expand_as(self.index)
        return flat.scatter_(2, index.unsqueeze(2), 1.0).unflatten(2, self.shape)

    def through(self: Unit, op: object, shapes: object) -> tuple[Coefficient, ...]:
        return Dense(self.dense()).through(op, shapes)  # type: ignore[arg-type]

    def mutate() -> None:
        monkeypatch.setattr(coefficient.Unit, "dense", first)
        monkeypatch.setattr(coefficient.Unit, "through", through)

    fails_on(lambda c: law_batch(c, Crown(), DOUBLE), recipes((*MLP, "linear", "relu")), mutate, 0.2)


def test_18_rows_swapped_with_inputs(monkeypatch: Patch) -> None:
    """A product over the wrong axis that only shows where batch and rows differ."""
    pair = coefficient.pair

    def rolled(a: Tensor, x: Tensor) -> Tensor:
        return pair(a, x.roll(1, 0))

    def mutate() -> None:
        monkeypatch.setattr(coefficient, "pair", rolled)

    fails_on(lambda c: law_containment(c, Crown(), DOUBLE), recipes(MLP), mutate, 0.1)


def parting() -> Case:
    """`relu(x + y) - relu(x - y)`: two branches that are not linear, and meet again."""
    builder = Builder("x", (2,))
    ends = []
    for weight in ([[1.0, 1.0]], [[1.0, -1.0]]):
        part = builder.add(Linear(torch.tensor(weight, dtype=torch.float64)), builder.input, name="part")
        ends.append(builder.add(Relu(), part, name="relu"))
    graph = builder.finish(builder.add(Sum((1, -1)), *ends, name="difference"), {})
    rows = torch.tensor([1.0, -1.0], dtype=torch.float64).reshape(2, 1, 1)
    specification = Specification(rows, torch.zeros(2, 1, dtype=torch.float64), (0, 1))
    return Case(graph, box(-torch.ones(1, 2), torch.ones(1, 2)), specification)


def test_zonotope_branches_share_symbols(monkeypatch: Patch) -> None:
    """New symbols numbered by branch instead of by network."""
    original = zonotope.Zonotopes._fresh

    def shared(self: zonotope.Zonotopes, node: Node, radius: Tensor) -> int:
        self.used = len(self.forms[node.inputs[0]].generators)
        return original(self, node, radius)

    law_containment(parting(), Zonotope(), DOUBLE)
    monkeypatch.setattr(zonotope.Zonotopes, "_fresh", shared)
    with pytest.raises(AssertionError):
        law_containment(parting(), Zonotope(), DOUBLE)


def test_hull_claimed_for_too_much(monkeypatch: Patch) -> None:
    """Sums of branches taken for exact: their intervals are never tightened, so linear networks lose exactness."""

    def claim(self: State, node: object, op: object) -> None:
        self.hull[node.name] = "box"  # type: ignore[attr-defined]

    def mutate() -> None:
        monkeypatch.setattr(State, "_inherit", claim)

    def exact(case: Case) -> None:
        assert law_exact_where_linear(case, Crown())

    layers = ("linear", "cancel", "relu")
    stable = [r for r in recipes(layers) if law_exact_where_linear(r.case(0.05), Crown())]
    assert stable, "no example is linear: the mutant was not tried"
    fails_on(exact, stable, mutate, 0.05)


def test_regions_of_one_point_are_not_empty() -> None:
    """The cases above with size 0 do hold a point to compare with."""
    region = make_region("point", (5,), 3, 1)
    assert bool(region.contains(region.sample(torch.Generator().manual_seed(0))).all())


def test_laws_refuse_what_they_can_not_decide() -> None:
    case = recipes(MLP)[0].case()
    with pytest.raises(AssertionError, match="only proofs"):
        law_exact(case, Crown(), DOUBLE)
    law_proof_close(case, Crown())
    law_containment(case, Crown(), PROOF)
