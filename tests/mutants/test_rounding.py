"""Mutants of proofs: numbers that are rounded where they must not be, and rounding that nobody accounts for."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from laws.cases import Case
from laws.coefficients import law_sums, samples
from laws.comparison import law_proof_close
from laws.containment import law_exact
from laws.operators import law_short_cuts, operators
from mutation import MLP, Patch, fails, fails_on, recipes
from torch import Tensor

from verifier.bounding import backward, propagate, state, zonotope
from verifier.bounding.backward import Backward
from verifier.bounding.coefficient import Grouped
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.windows import Windows
from verifier.graph.build import Builder
from verifier.graph.ops.dense import Linear, Shift
from verifier.graph.ops.softmax import Differences
from verifier.properties import Specification
from verifier.regions import box

PROVING = Options(proof=True)


def test_9_low_precision(monkeypatch: Patch) -> None:
    """A product in a short format, as some devices compute it, in a proof."""
    transport = Linear.transport

    def short(self: Linear, a: Tensor, shapes: object) -> tuple[Tensor, ...]:
        part = transport(replace(self, weight=self.weight.bfloat16().to(a)), a.bfloat16().to(a), shapes)  # type: ignore[arg-type]
        return tuple(p.to(a) for p in part)

    def mutate() -> None:
        monkeypatch.setattr(Linear, "transport", short)

    fails_on(lambda c: law_exact(c, Crown(), PROVING), recipes(MLP, "point"), mutate, 0.0)


def test_9_proof_in_the_searching_dtype(monkeypatch: Patch) -> None:
    """A proof that stays in float32."""
    original = propagate._Run.__init__

    def stay(self: object, graph: object, region: object, method: object, table: object, options: Options) -> None:
        original(self, graph, region, method, table, options)  # type: ignore[arg-type]
        mine: propagate._Run = self  # type: ignore[assignment]
        mine.state.graph = mine.state.graph.to(torch.float32).to(torch.float64)

    def mutate() -> None:
        monkeypatch.setattr(propagate._Run, "__init__", stay)

    fails_on(lambda c: law_exact(c, Crown(), PROVING), recipes(MLP, "point"), mutate, 0.0)


def test_9_rows_rounded_to_the_searching_dtype(monkeypatch: Patch) -> None:
    optimise = propagate.optimise

    def rounded(*args: object) -> Tensor:
        new = list(args)
        new[3] = new[3].float().double()  # type: ignore[attr-defined]
        return optimise(*new)  # type: ignore[arg-type]

    def mutate() -> None:
        monkeypatch.setattr(propagate, "optimise", rounded)

    fails_on(lambda c: law_exact(c, AlphaCrown(steps=1), PROVING), recipes(MLP, "point"), mutate, 0.0)


def without_losses(monkeypatch: Patch) -> None:
    """Everything is computed in float64, and nothing is subtracted."""
    for module in (state, zonotope):
        monkeypatch.setattr(module, "gamma", lambda *_: 0.0)


@pytest.mark.parametrize("method", [Ibp(), Crown(), AlphaCrown(steps=1), Zonotope()], ids=lambda m: m.name)
def test_16_rounding_ignored(method: propagate.Method, monkeypatch: Patch) -> None:
    cases = recipes(("linear", "relu", "cancel", "linear", "branches"), "point")
    fails_on(lambda c: law_exact(c, method, PROVING), cases, lambda: without_losses(monkeypatch), 0.0)


def test_16_rounding_with_zero_below_ignored(monkeypatch: Patch) -> None:
    """Only the second way back forgets what it can lose."""
    walks = propagate.walks

    def free(*args: Any) -> list[Backward]:
        first, *others = walks(*args)
        return [first, *(replace(way, rounding={k: x * 0 for k, x in (way.rounding or {}).items()}) for way in others)]

    cases = recipes(("linear", "relu", "cancel", "linear", "branches"), "point")
    law = partial(law_exact, method=Crown(), options=replace(PROVING, grounded=True))
    fails_on(law, cases, lambda: monkeypatch.setattr(propagate, "walks", free), 0.0)


def cancelling(seed: int) -> Case:
    """A sum of huge terms that nearly cancel: float64 alone misses its small rest."""
    gen = torch.Generator().manual_seed(seed)
    builder = Builder("x", (1,))
    big = torch.randn(6, generator=gen, dtype=torch.float64) * 2.0**40
    hidden = builder.add(Linear(torch.cat([big, -big * (1 + 2.0**-52)]).unsqueeze(1)), builder.input, name="hidden")
    shifted = builder.add(Shift(torch.full((12,), 2.0**41, dtype=torch.float64)), hidden, name="shifted")
    graph = builder.finish(builder.add(Linear(torch.ones(1, 12, dtype=torch.float64)), shifted, name="sum"), {})
    point = torch.rand(1, 1, generator=gen) + 0.1
    one, zero = torch.ones(1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    return Case(graph, box(point, point), Specification(one, zero, (0,)))


@pytest.mark.parametrize("method", [Ibp(), Crown(), Zonotope()], ids=lambda m: m.name)
def test_16_cancellation_without_losses(method: propagate.Method, monkeypatch: Patch) -> None:

    def try_all() -> None:
        for seed in range(20):
            law_exact(cancelling(seed), method, PROVING)

    try_all()
    without_losses(monkeypatch)
    with pytest.raises(AssertionError):
        try_all()


@pytest.mark.parametrize("method", [Ibp(), Crown(), Zonotope()], ids=lambda m: m.name)
def test_16_underflow_ignored(method: propagate.Method, monkeypatch: Patch) -> None:
    """Products below the least float have no relative error bound."""
    cases = [replace(r, scale=1e-170) for r in recipes(("linear", "relu", "linear"), "point")]

    def mutate() -> None:
        for module in (state, backward, zonotope):
            monkeypatch.setattr(module, "TINY", 0.0)

    fails_on(lambda c: law_exact(c, method, PROVING), cases, mutate, 0.0)


def test_16_losses_added_to_one_half(monkeypatch: Patch) -> None:
    """The second half of a doubled walk gives its losses back instead of paying them: upper bounds come out too low."""
    original = backward.doubled

    def signed(first: Tensor, second: Tensor) -> Tensor:
        return original(first, -second if second is first else second)

    def mutate() -> None:
        monkeypatch.setattr(backward, "doubled", signed)

    cases = recipes(("linear", "double", "relu"), "box", (2,))
    fails_on(lambda c: law_exact(c, Crown(), PROVING), cases, mutate, 0.3)


def test_16_proof_that_gives_too_much_away(monkeypatch: Patch) -> None:
    """Looseness is a bug as well: losses a million times too large."""
    original = state.gamma

    def mutate() -> None:
        monkeypatch.setattr(state, "gamma", lambda n, dtype: 1e6 * original(n, dtype))

    fails_on(lambda c: law_proof_close(c, Crown()), recipes(MLP), mutate, 0.1)


def test_16_groups_whose_rounding_cancels(monkeypatch: Patch) -> None:
    """Slopes of both signs are added up before their size is taken."""

    def signed(self: Grouped, x: Tensor) -> Tensor:
        return self.dot(x).abs()

    def mutate() -> None:
        monkeypatch.setattr(Grouped, "magnitude_dot", signed)

    fails(lambda: [law_sums(sample, seed) for seed in range(2) for sample in samples(seed)], mutate)


def test_16_losses_of_windows_on_average(monkeypatch: Patch) -> None:
    """A row's size times what its entries lose on average, instead of at most."""

    def average(self: Windows, x: Tensor) -> Tensor:
        return self.magnitude_dot(torch.ones_like(x)) * x.flatten(1).mean(1)

    def mutate() -> None:
        monkeypatch.setattr(Windows, "reach", average)

    fails(lambda: [law_sums(sample, seed) for seed in range(2) for sample in samples(seed)], mutate)


def test_4_differences_without_their_own_entry(monkeypatch: Patch) -> None:
    """The short cut forgets what every difference takes from its own entry."""

    def forgetful(self: Differences, a: Tensor, slopes: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        both = (a.unsqueeze(-1) * slopes).flatten(0, 1)
        (whole,) = self.transport(both, shapes)
        return ((whole + both.sum(-1)).unflatten(0, a.shape[:2]),)

    def mutate() -> None:
        monkeypatch.setattr(Differences, "transport_grouped", forgetful)

    fails(lambda: [law_short_cuts(op, shapes) for op, shapes in operators(0)], mutate)
