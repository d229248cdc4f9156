"""Mutants of regions, relaxations, properties and attacks: each bug is put in, and a law must notice it.

Every case first holds without the bug, so that what fails is the mutant and not the test.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module

import pytest
import torch
from attacks.nets import Own, identity_problem
from properties.laws import law_margin
from regions.laws import law_box, law_minimum, law_outwards, law_samples, law_surface, make
from relaxations.laws import ENTRIES, OPS, intervals, law_gap, law_image, law_linear, law_lines, relaxation_of, slopes
from torch import Tensor

from verifier.attacks.attack import replay
from verifier.graph.op import Op
from verifier.graph.ops.pool import Max
from verifier.interval import Interval
from verifier.numerics import gamma, up
from verifier.properties import Specification
from verifier.regions import Ball, Box, Region
from verifier.relaxations.maximum import Maximum
from verifier.relaxations.piecewise_linear import PiecewiseLinear, ReluRelaxation
from verifier.relaxations.relaxation import Lines, Slopes
from verifier.relaxations.s_shaped import SShaped
from verifier.relaxations.staircase import Staircase

Law = Callable[[], None]
Bug = Callable[[pytest.MonkeyPatch], None]


# Laws, each with a problem of its own


def gaps(op: Op, dtype: torch.dtype = torch.float64) -> None:
    generator = torch.Generator().manual_seed(7)
    x = intervals(generator, dtype, (400, ENTRIES) if isinstance(op, Max) else (400,))
    relaxation = relaxation_of(op)
    law_gap(relaxation, op, x, slopes(generator, x.lower), generator)
    law_image(relaxation, op, x, generator)
    law_lines(relaxation, op, x, Slopes(slopes(generator, x.lower), slopes(generator, x.lower)), generator)
    law_linear(relaxation, op, x, generator)


def half_lost() -> None:
    x = Interval(torch.full((1, 1), -0.5, dtype=torch.float64).nextafter(torch.zeros(1)), torch.full((1, 1), 9.2))
    law_gap(Staircase(), OPS["round"], x, torch.full((1, 1), 0.65).double(), torch.Generator().manual_seed(0))


def regions(law: Callable[[Region, torch.Generator], None], p: float, radius: float = 0.6) -> None:
    generator = torch.Generator().manual_seed(4)
    center = torch.randint(0, 256, (6, 5), generator=generator).double() / 255
    law(make(center, radius, p), generator)


def boxes() -> None:
    for c, r in ((0.1, 0.2), (1.0, 1e-20), (0.7, 1 / 255), (-0.3, 0.1)):
        law_box(c, r)


def clauses() -> None:
    for clause in ((0, 0, 1), (0, 1)):
        for signs in ((1.0, -1.0, 1.0), (-1.0, 1.0, 1.0), (-1.0, -1.0, 1.0)):
            law_margin(clause, list(signs[: len(clause)]))


def witnesses() -> None:
    """A tie is reported; points outside, numbers that are none, and what another engine denies are not."""
    question = identity_problem(2)
    assert replay(question, torch.tensor([[0.5, 0.5], [0.2, 0.1]]), "test")[0] is not None, "a tie went unreported"
    outside = torch.stack([torch.tensor([0.5, 1.0]), torch.tensor([0.5, 1.0])])
    assert replay(question, up(outside), "test") == [None, None], "a point outside was reported"
    for change in (lambda y: y.flip(-1), lambda y: y * torch.nan, lambda y: y * -torch.inf):
        denied = replace(question, model=replace(question.model, evaluator=Own(question.model.graph, change)))
        assert replay(denied, torch.tensor([[0.1, 0.9]] * 2), "test") == [None, None], "the engine was overruled"


def unknown_ends() -> None:
    x = Interval(torch.tensor([torch.nan, 1.0]), torch.tensor([0.0, torch.nan]))
    assert x.lower.tolist()[0] == -torch.inf, "NaN was read as a bound"
    assert x.upper.tolist()[1] == torch.inf, "NaN was read as a bound"


def outwards() -> None:
    x = Interval(torch.tensor([0.1, 0.3, 0.7]).double() + 1e-12, torch.tensor([0.1, 0.3, 0.7]).double() + 2e-12)
    narrow = x.to(torch.float32)
    assert (narrow.lower.double() <= x.lower).all()
    assert (narrow.upper.double() >= x.upper).all()


def own_questions() -> None:
    chosen = Specification(torch.tensor([[[1.0], [-1.0]]]), torch.zeros(1, 2), (0,)).select(torch.tensor([1]))
    assert chosen.values(torch.tensor([[1.0]])).tolist() == [[-1.0]], (
        "a question was answered by its neighbour's property"
    )


# Bugs


def patch(owner: object, name: str, bug: object) -> Bug:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, bug)


def sampled(self: object, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
    share = torch.linspace(0.01, 0.99, 9, dtype=x.lower.dtype).reshape(-1, *(1,) * x.lower.dim())
    values = torch.stack([op.forward(p) - slope * p for p in x.lower + (x.upper - x.lower) * share])
    return values.amin(0), values.amax(0)


def ends_only(self: object, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
    ends = [op.forward(end) - slope * end for end in (x.lower, x.upper)]
    return torch.minimum(*ends), torch.maximum(*ends)


def trusting(self: SShaped, op: Op, slope: Tensor, point: Tensor, a: Tensor, b: Tensor, sign: float) -> Tensor:
    """The stationary point is believed, not bounded by its tangent."""
    p = torch.minimum(torch.maximum(point, a), b)
    return op.forward(p) - slope * p


def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SShaped, "_beyond", trusting)
    monkeypatch.setattr(SShaped, "stationary", lambda self, op, slope: STATIONARY(self, op, slope) * 0.8)


def favourite(self: Maximum, op: Op, x: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Only the entry with the greatest centre is taken for the maximum."""
    least, _ = MAXIMUM_GAP(self, op, x, slope)
    eye = torch.nn.functional.one_hot(x.center.argmax(-1), x.lower.shape[-1]).to(slope)
    tilt = eye - slope
    return least, torch.where(tilt > 0, tilt * x.upper, tilt * x.lower).sum(-1)


def unclamped(self: ReluRelaxation, op: Op, x: Interval, chosen: Slopes | None = None) -> Lines:
    """The optimiser's slope is believed to keep the least gap at zero."""
    lines = RELU_LINES(self, op, x, chosen)
    return lines if chosen is None else replace(lines, slopes=Slopes(chosen.lower, lines.slopes.upper))


def early_jump(self: Staircase, op: Op, x: Interval) -> list[tuple[Tensor, Tensor, Tensor]]:
    return [(k + 0.5, k, k + 1) for k in ((x.lower - 0.5).ceil(), (x.upper - 0.5).floor())]


def lenient(self: Region, x: Tensor) -> Tensor:
    return (x.double() - self.project(x.double())).abs().flatten(1).amax(1) < 1e-7


def unrounded_norm(self: Ball, x: Tensor) -> Tensor:
    z = ((x - self.center) / self.radius).flatten(1)
    return z.norm(p=self.p, dim=1) * (1 - 2 * gamma(z.shape[1], torch.float64))


def hopeful(self: Region, coefficient: Tensor) -> Tensor:
    """The value at the minimiser, which for a ball in a range is a guess."""
    return torch.stack([(row * self.minimiser(row)).flatten(1).sum(1) for row in coefficient])


def shrunk(self: Box, coefficient: Tensor) -> Tensor:
    return (coefficient * self.outer.center).flatten(2).sum(2) - 0.9 * (coefficient.abs() * self.outer.radius).sum(2)


def nearest(self: object, dtype: torch.dtype, device: object = "cpu") -> Interval:
    return Interval(self.lower.to(dtype), self.upper.to(dtype))  # type: ignore[attr-defined]


def narrow_ball(self: Ball, dtype: torch.dtype, device: object) -> Ball:
    """Each radius grows by its own centre's rounding, which the norm of all together may exceed."""
    center, radius = self.center.to(dtype), self.radius.to(dtype)
    grown = up((self.radius + (self.center - center.double()).abs()).to(dtype))
    return replace(self, center=center, radius=torch.where(radius > 0, grown, radius), outer=self.outer.to(dtype))


def swapped(self: Specification, values: Tensor) -> Tensor:
    """AND for OR."""
    best = [values[[i for i, c in enumerate(self.clause) if c == k]].amin(0) for k in sorted(set(self.clause))]
    return torch.stack(best).amax(0)


MAXIMUM_GAP, RELU_LINES, STATIONARY = Maximum.gap, ReluRelaxation.lines, SShaped.stationary
BOX, ATTACK = import_module("verifier.regions.box"), import_module("verifier.attacks.attack")

CASES: dict[str, tuple[Law, Bug]] = {
    "1 NaN read as a bound": (unknown_ends, patch(Interval, "__post_init__", lambda self: None)),
    "5 pieces by sampling": (partial(gaps, OPS["clip"]), patch(PiecewiseLinear, "gap", sampled)),
    "5 sigmoid by sampling": (partial(gaps, OPS["sigmoid"]), patch(SShaped, "gap", sampled)),
    "5 a stationary point believed": (partial(gaps, OPS["tanh"]), trust),
    "ends without breakpoints": (partial(gaps, OPS["abs"]), patch(PiecewiseLinear, "gap", ends_only)),
    "ends without jumps": (partial(gaps, OPS["floor"]), patch(Staircase, "gap", ends_only)),
    "only one candidate of a maximum": (partial(gaps, Max()), patch(Maximum, "gap", favourite)),
    "a slope outside its range": (partial(gaps, OPS["relu"]), patch(ReluRelaxation, "lines", unclamped)),
    "linear everywhere": (partial(gaps, OPS["leaky"]), patch(PiecewiseLinear, "linear", lambda s, o, x: x.lower < 9)),
    "16 a jump lost to rounding": (half_lost, patch(Staircase, "jumps", early_jump)),
    "16 ends rounded to nearest": (boxes, patch(BOX, "enclose", lambda a, b: (a + b, a + b))),
    "16 float32 boxes rounded to nearest": (outwards, patch(Interval, "to", nearest)),
    "16 float32 balls not widened": (
        partial(regions, law_outwards, 1, 1e-3),
        patch(Ball, "to", narrow_ball),
    ),
    "13 a box with tolerance": (boxes, patch(Box, "contains", lenient)),
    "13 a ball without its error bound": (partial(law_surface, 2), patch(Ball, "distance", unrounded_norm)),
    "13 a projection that is believed": (partial(regions, law_samples, 2), patch(Ball, "project", lambda self, x: x)),
    "a ball's minimum guessed": (partial(regions, law_minimum, 1), patch(Ball, "minimum", hopeful)),
    "a box's minimum too great": (partial(regions, law_minimum, torch.inf), patch(Box, "minimum", shrunk)),
    "6 AND for OR": (clauses, patch(Specification, "margin", swapped)),
    "7 another question's property": (own_questions, patch(Specification, "select", lambda self, index: self)),
    "8 a tie holds": (witnesses, patch(ATTACK, "broken", lambda s, y: s.margin(s.values(y)) < 0)),
    "13 the region is not asked": (witnesses, patch(Box, "contains", lambda self, x: torch.ones(len(x)) > 0)),
    "13 infinite outputs break it": (witnesses, patch(ATTACK, "broken", lambda s, y: ~(s.margin(s.values(y)) > 0))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_law_notices_the_bug(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law, bug = CASES[name]
    law()
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        law()
