"""Mutants of searches over activations: each lie is put in, and a law must notice it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from laws.cases import Case
from laws.searches import (
    SEARCHES,
    law_children,
    law_domains,
    law_domains_exact,
    law_nothing_verified,
    law_optimised,
    law_points,
    law_ties,
    work,
)
from mutation import MLP, Blind, Law, Patch, fails, puzzle
from torch import Tensor

from verifier.bounding.methods import Crown
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete import bab, relaxed
from verifier.complete.bab import Bab
from verifier.complete.domain_tree import DomainTree
from verifier.complete.domains import Domains
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Proved, Work
from verifier.complete.walks import Walks
from verifier.numerics import up
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Verdict


def on_cases(law: Callable[[Case, int], object], layers: tuple[str, ...] = MLP, size: float = 1.0) -> Law:
    def law_on_all() -> None:
        for seed in range(8):
            law(puzzle(seed, layers, size).case(), seed)

    return law_on_all


def test_multipliers_with_the_wrong_sign(monkeypatch: Patch) -> None:
    pulls = Walks._pulls

    def mutate() -> None:
        monkeypatch.setattr(Walks, "_pulls", lambda self, domains, force: pulls(self, domains, -force))

    fails(on_cases(law_domains), mutate)


def test_multipliers_of_the_neighbour(monkeypatch: Patch) -> None:
    pulls = Walks._pulls

    def shifted(self: Walks, domains: Domains, force: Tensor) -> dict[str, Tensor]:
        return {name: pull.roll(1, -1) for name, pull in pulls(self, domains, force).items()}

    def mutate() -> None:
        monkeypatch.setattr(Walks, "_pulls", shifted)

    fails(on_cases(law_domains), mutate)


def test_multipliers_below_zero(monkeypatch: Patch) -> None:
    """The optimiser's step is not brought back to zero."""

    def mutate() -> None:
        monkeypatch.setattr(torch.Tensor, "clamp_", lambda self, *args, **options: self)

    fails(on_cases(law_optimised), mutate)


def test_a_cut_with_two_sides_believed_on_one(monkeypatch: Patch) -> None:
    """Both children get the same side."""
    cut = Domains.cut

    def same(self: Domains, place: Tensor, point: Tensor) -> Domains:
        found = cut(self, place, point)
        first = torch.arange(len(self)).repeat(2)
        return replace(found, sign=found.sign[first])

    def mutate() -> None:
        monkeypatch.setattr(Domains, "cut", same)

    fails(on_cases(law_children), mutate)


def test_a_gap_between_children(monkeypatch: Patch) -> None:
    """The second child's point is rounded to float32."""
    cut = Domains.cut

    def rounded(self: Domains, place: Tensor, point: Tensor) -> Domains:
        found = cut(self, place, point)
        second = torch.arange(len(found)).unsqueeze(1) >= len(self)
        return replace(found, point=torch.where(second, up(found.point.float()).double(), found.point))

    def mutate() -> None:
        monkeypatch.setattr(Domains, "cut", rounded)

    fails(on_cases(law_children), mutate)


def test_cuts_believed_the_other_way_round(monkeypatch: Patch) -> None:
    intervals = Walks.intervals

    def mutate() -> None:
        monkeypatch.setattr(Walks, "intervals", lambda self, d: intervals(self, replace(d, sign=-d.sign)))

    fails(on_cases(law_domains), mutate)


def test_narrow_domains_read_as_infeasible(monkeypatch: Patch) -> None:
    """Infeasible by a tolerance: a domain whose cuts leave hardly anything counts as proved (catalogue 12)."""
    proved = Relaxed.proved

    def fragile(self: Relaxed, domains: Domains) -> Tensor:
        narrow = torch.zeros(len(domains), dtype=torch.bool)
        for name, x in self.proving.intervals(domains).items():
            site = next(s for s in self.sites if s.name == name)
            narrow |= ((x.upper - x.lower).flatten(1)[:, site.index] < 1e-3).any(1)
        return torch.where(narrow, torch.inf, proved(self, domains))

    def mutate() -> None:
        monkeypatch.setattr(Relaxed, "proved", fragile)

    fails(on_cases(law_domains, ("linear", "tanh", "linear", "relu")), mutate)


def test_rows_of_another_clause(monkeypatch: Patch) -> None:
    """A domain's bound is that of the first clause, whichever it is about."""
    bound = Walks.bound

    def first(self: Walks, domains: Domains, *rest: Any) -> Tensor:
        return bound(self, replace(domains, clause=domains.clause * 0), *rest)

    def mutate() -> None:
        monkeypatch.setattr(Walks, "bound", first)

    fails(on_cases(law_domains, size=0.02), mutate)


def test_weights_that_sum_to_more_than_one(monkeypatch: Patch) -> None:
    """The sign of a bound is right for any weights; the margin is not."""
    proved = Relaxed.proved

    def heavier(self: Relaxed, domains: Domains) -> Tensor:
        found = proved(self, domains)
        return torch.where(found > 0, found * 1.01, found)

    def mutate() -> None:
        monkeypatch.setattr(Relaxed, "proved", heavier)

    def law() -> None:
        for seed in range(8):
            law_domains(puzzle(seed, size=1e-4, margin=0.3).case(), seed)

    fails(law, mutate)


def test_a_proof_without_its_rounding(monkeypatch: Patch) -> None:
    known = relaxed.known

    def mutate() -> None:
        monkeypatch.setattr(relaxed, "known", lambda state, table: known(replace(state, rounding=False), table))

    fails(on_cases(law_domains_exact, size=0.0), mutate)


def test_the_proof_is_skipped(monkeypatch: Patch) -> None:
    """What the search found in float32 counts as proved: here the margin is below zero by less than that rounds."""
    tight = [puzzle(seed, ("linear", "linear"), 0.5, -1e-9) for seed in range(12)]
    tight = [replace(p, clause=(0,)) for p in tight]

    def mutate() -> None:
        monkeypatch.setattr(Relaxed, "proved", lambda self, domains: domains.bound)

    def law() -> None:
        for one in tight:
            law_nothing_verified(one.problem(), Blind(SEARCHES["babsr"]))  # type: ignore[arg-type]

    fails(law, mutate)


def test_leaves_that_stay_open_are_forgotten(monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(DomainTree, "_stay", lambda self, leaf: None)

    small = [replace(puzzle(seed, ("linear", "linear"), margin=-0.01), clause=(0,)) for seed in range(8)]

    def law() -> None:
        for one in small:
            law_nothing_verified(one.problem(), Blind(Bab()))  # type: ignore[arg-type]

    fails(law, mutate)


def test_what_the_time_left_open_is_forgotten(monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(DomainTree, "open", lambda self: iter(()))

    asked = puzzle(1).problem()
    fails(lambda: law_points(asked, Blind(Bab())(asked, work(2.0, 1))), mutate)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("closed", [False, True])
def test_closed_and_open_rows_confused(search: str, closed: bool, monkeypatch: Patch) -> None:
    clauses = Specification.clauses

    def confused(self: Specification, values: Tensor) -> Tensor:
        return clauses(replace(self, closed=(closed,) * len(self.clause)), values)

    def mutate() -> None:
        monkeypatch.setattr(Specification, "clauses", confused)

    fails(lambda: law_ties(SEARCHES[search]), mutate)


def test_a_warm_start_of_another_clause_is_harmless(monkeypatch: Patch) -> None:
    """The search's own bound only nominates, so this one is no bug that a law could notice."""
    start = bab.roots

    def warm(*args: Any) -> Domains:
        return replace(start(*args), bound=torch.ones(len(args[0]), dtype=torch.float64))

    monkeypatch.setattr(bab, "roots", warm)
    for seed in range(4):
        asked = puzzle(seed).problem()
        law_points(asked, Blind(Bab())(asked, work(1.0, 100)), seed)


class Misled:
    """A search that is given what is known of another region."""

    name = "misled"

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        center = problem.region.box().center
        point = box(center, center)
        table = propagate(problem.model.graph, point, Crown(), problem.specification, Options(proof=True)).table
        known = Proved(problem.model.graph, point, table)
        return Blind(SEARCHES["babsr"])(problem, replace(work, proved=known))  # type: ignore[no-any-return]


def test_7_intervals_of_another_region(monkeypatch: Patch) -> None:
    """What was proved of one question is believed of another, whose property fails."""
    false = [puzzle(seed, margin=-0.2) for seed in range(8)]

    def mutate() -> None:
        monkeypatch.setattr(Proved, "of", lambda self, problem: self.table)

    def law() -> None:
        for one in false:
            law_nothing_verified(one.problem(), Misled())  # type: ignore[arg-type]

    fails(law, mutate)
