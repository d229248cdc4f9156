"""How much at once, and how often."""

import pytest
import torch
from test_portfolio import network, question

from verifier.attacks.pgd import Pgd
from verifier.complete import bab, pace, probes
from verifier.complete.bab import Bab
from verifier.complete.pace import Cooldown
from verifier.complete.probes import RegionProbes
from verifier.complete.search import Work
from verifier.problem import Problem
from verifier.verdict import Falsified, Verdict


def test_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    cooldown = Cooldown(2.0)
    assert not cooldown.over()
    now[0] = 102.0
    assert cooldown.over()
    now[0] = 105.0
    cooldown.after(102.0)
    now[0] = 131.9
    assert not cooldown.over()
    now[0] = 132.0
    assert cooldown.over()


def test_branch_and_bound_attacks_on_the_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deeper each time; what is found ends the search."""
    asked, depths = question(network(6, layers=2), -1e-3), []

    def attack(self: Pgd, graph: object, problem: Problem, *rest: object) -> list[Verdict | None]:
        depths.append(self.steps)
        found = Falsified(problem.region.box().center.numpy()[0], torch.zeros(1).numpy(), -1.0, "pgd", "test")
        return [found if len(depths) == 3 else None]

    monkeypatch.setattr(bab, "PATIENCE", 0.0)
    monkeypatch.setattr(Cooldown, "over", lambda self: True)
    monkeypatch.setattr(Pgd, "__call__", attack)
    monkeypatch.setattr(RegionProbes, "minima", lambda self, view: None)
    found = Bab(batch=1)(asked, Work(pace.time.monotonic() + 20.0))[0]
    assert isinstance(found, Falsified)
    assert depths == [probes.STEPS, 2 * probes.STEPS, 4 * probes.STEPS]
