"""Mutants of searches over inputs: boxes that are mixed up, clipped too far, or lost."""

from dataclasses import replace

import pytest
import torch
from laws.searches import (
    SEARCHES,
    law_clipping,
    law_nothing_verified,
    law_points,
    planted,
    work,
)
from mutation import Blind, Law, Patch, fails, puzzle
from torch import Tensor

from verifier.bounding.rows import LinearRows
from verifier.complete import clip, input_split
from verifier.complete.boxes import Boxes
from verifier.properties import Specification
from verifier.verdict import Verified

ONCE = pytest.mark.parametrize("once", [False, True])


def test_clauses_mixed_between_questions(monkeypatch: Patch) -> None:
    """A box gets what was proved of its neighbour."""
    clauses = Specification.clauses

    def mixed(self: Specification, values: Tensor) -> Tensor:
        return clauses(self, values).roll(1, 1)

    def mutate() -> None:
        monkeypatch.setattr(Specification, "clauses", mixed)

    mixes = [replace(puzzle(seed, margin=m), batch=2) for seed in range(4) for m in (-0.05, 0.2)]

    def law() -> None:
        for one in mixes:
            asked = one.problem()
            with pytest.MonkeyPatch.context() as patch:
                verdicts = Blind(SEARCHES["input-split"])(asked, work(1.0, 500))
                patch.setattr(Specification, "clauses", clauses)
                law_points(asked, verdicts, one.seed)

    fails(law, mutate)


def test_clauses_of_one_box_given_to_another(monkeypatch: Patch) -> None:
    """Boxes are picked, but what is open in them is not."""
    pick = Boxes.__getitem__

    def stale(self: Boxes, index: Tensor) -> Boxes:
        found = pick(self, index)
        return replace(found, open=self.open[: len(found)])

    def mutate() -> None:
        monkeypatch.setattr(Boxes, "__getitem__", stale)

    puzzles = [replace(puzzle(seed, margin=-0.01), clause=(0, 1, 2, 3), batch=2) for seed in range(12)]

    def law() -> None:
        for one in puzzles:
            asked = one.problem()
            law_points(asked, Blind(SEARCHES["input-split"])(asked, work(1.0, 300)), one.seed)

    fails(law, mutate)


def clippings(once: bool, seeds: range = range(40), count: int = 30) -> Law:
    def law() -> None:
        for seed in seeds:
            law_clipping(seed, once, count)

    return law


@ONCE
def test_clipped_beyond(once: bool, monkeypatch: Patch) -> None:
    clipped = clip.clipped

    def mutate() -> None:
        monkeypatch.setattr(clip, "clipped", lambda boxes, base, *rest: clipped(boxes, base * 0.99, *rest))

    fails(clippings(once), mutate)


@ONCE
def test_clipped_without_rounding_up(once: bool, monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(clip, "up", lambda x, steps=1: x)
        monkeypatch.setattr(clip, "lessened", lambda value, size, terms: value)

    fails(clippings(once, range(0, 16, 4), 1500), mutate)


@ONCE
def test_clipped_where_one_row_of_a_clause_holds_elsewhere(once: bool, monkeypatch: Patch) -> None:
    """A clause is broken where all its rows are: clipping by each clause's worst row as if all clauses had to fail."""
    clipped = clip.clipped

    def every(boxes: Boxes, base: Tensor, coefficient: Tensor, clause: Tensor, once: bool) -> Boxes:
        one = replace(boxes, open=boxes.open.any(1, keepdim=True))
        return replace(clipped(one, base, coefficient, clause * 0, once), open=boxes.open)

    def mutate() -> None:
        monkeypatch.setattr(clip, "clipped", every)

    fails(clippings(once, range(3, 40, 4)), mutate)


def test_halves_that_leave_out_the_middle(monkeypatch: Patch) -> None:
    """Boxes are cut at a third and at two: a counterexample in between is never seen."""
    halves = Boxes.halves

    def apart(self: Boxes, axis: Tensor) -> Boxes:
        found = halves(self, axis)
        first = (torch.arange(len(found)) < len(self)).unsqueeze(1)
        third = (found.width / 3).scatter(
            1, axis.repeat(2).unsqueeze(1), found.width.gather(1, axis.repeat(2).unsqueeze(1)) / 3
        )
        at = torch.nn.functional.one_hot(axis.repeat(2), found.lower.shape[1]).double()
        upper = torch.where(first, found.upper - third * at, found.upper)
        lower = torch.where(first, found.lower, found.lower + third * at)
        return replace(found, lower=lower, upper=upper)

    def mutate() -> None:
        monkeypatch.setattr(Boxes, "halves", apart)

    def law() -> None:
        for seed in range(3):
            (verdict,) = Blind(SEARCHES["input-split"])(planted(seed, 1e-2)[0], work(5.0, 5000))
            assert not isinstance(verdict, Verified), "verified around the planted point"

    fails(law, mutate)


def test_boxes_too_small_to_be_cut_are_forgotten(monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(input_split.InputSearch, "_stuck", lambda self, boxes: None)

    point = replace(puzzle(0, margin=-0.01), region="point")
    fails(lambda: law_nothing_verified(point.problem(), Blind(SEARCHES["input-split"])), mutate)  # type: ignore[arg-type]


def test_rows_with_zero_below_are_taken_for_another_clause(monkeypatch: Patch) -> None:
    def mutate() -> None:
        monkeypatch.setattr(
            LinearRows, "clause", lambda self, clause: clause.repeat_interleave(len(self.base) // len(clause))
        )

    puzzles = [replace(puzzle(seed, margin=-0.01), clause=(0, 1, 2, 3)) for seed in range(24)]

    def law() -> None:
        for one in puzzles:
            asked = one.problem()
            law_points(asked, Blind(SEARCHES["input-split"])(asked, work(1.0, 300)), one.seed)

    fails(law, mutate)
