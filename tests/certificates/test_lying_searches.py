"""Searches that are wrong are caught: their certificates are rejected."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from laws.certificates import accepted, law_accepted, recorded
from rejections import BAB, CUTS, asked
from torch import Tensor

from verifier.bounding.methods import Crown
from verifier.complete import input_split
from verifier.complete.boxes import Boxes
from verifier.complete.domains import Domains
from verifier.complete.relaxed import Relaxed
from verifier.errors import Rejected
from verifier.properties import Specification


def believes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every domain counts as proved."""
    proved = Relaxed.proved
    monkeypatch.setattr(Relaxed, "proved", lambda self, domains: proved(self, domains) + 10.0)
    optimised = Relaxed.optimised

    def sure(self: Relaxed, domains: Domains, *args: Any, **options: Any) -> Domains:
        done = optimised(self, domains, *args, **options)
        return replace(done, bound=done.bound + 10.0)

    monkeypatch.setattr(Relaxed, "optimised", sure)


def one_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second child of each domain is a copy of the first."""
    cut = Domains.cut

    def half(self: Domains, place: Tensor, point: Tensor) -> Domains:
        first = cut(self, place, point)[torch.arange(len(self))]
        return first.joined(first)

    monkeypatch.setattr(Domains, "cut", half)


def wrong_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both children are cut deeper than where the other one begins."""
    cut = Domains.cut

    def deeper(self: Domains, place: Tensor, point: Tensor) -> Domains:
        far = torch.full_like(point, 0.5)
        first, second = cut(self, place, point - far), cut(self, place, point + far)
        half = torch.arange(len(self))
        return first[half].joined(second[half + len(self)])

    monkeypatch.setattr(Domains, "cut", deeper)


def clips_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clipped = input_split.clipped

    def more(*args: Any, **options: Any) -> Boxes:
        found = clipped(*args, **options)
        return replace(found, upper=found.upper - 0.8 * (found.upper - found.lower))

    monkeypatch.setattr(input_split, "clipped", more)


def one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second half of each box is a copy of the first."""
    halves = Boxes.halves

    def gap(self: Boxes, axis: Tensor) -> Boxes:
        first = halves(self, axis)[torch.arange(len(self))]
        return first.joined(first)

    monkeypatch.setattr(Boxes, "halves", gap)


def optimistic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clauses are a little better than they are."""
    clauses = Specification.clauses
    monkeypatch.setattr(Specification, "clauses", lambda self, values: clauses(self, values) + 0.5)


@pytest.mark.parametrize(
    ("stage", "lie", "margin", "honest"),
    [
        (BAB, believes, -0.1, 1.0),
        (BAB, one_child, -0.1, 1.0),
        (BAB, wrong_point, -0.1, 1.0),
        (CUTS, clips_too_far, 0.1, 0.1),
        (CUTS, one_half, 0.1, 0.1),
        (CUTS, optimistic, -0.1, 0.1),
        (Crown(), optimistic, 5.5, 7.0),
    ],
)
def test_lying_searches_are_caught(
    stage: Any,
    lie: Callable[[pytest.MonkeyPatch], None],
    margin: float,
    honest: float,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """With the lie something is verified that was not proved, and its certificate rejected."""
    assert law_accepted(asked(honest), stage, tmp_path, seconds=30.0) == 1
    with monkeypatch.context() as patch:
        for room in ("attacks.attack", "complete.probes"):
            patch.setattr(f"verifier.{room}.replay", lambda problem, x, method: [None] * len(x))
        lie(patch)
        recorder, proved = recorded(asked(margin), stage, 20.0)
    assert proved == [0]
    with pytest.raises(Rejected):
        accepted(recorder, asked(margin).model.graph, tmp_path)
