"""Refined nodes: whatever is proposed for them, what the checker makes of it holds where their row is broken."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import accepted, entry, law_true, recorded, written
from laws.refined import (
    WISH,
    Entry,
    computed,
    empties,
    law_broken_points_stay,
    law_wishes,
    refined,
    refines_all,
    wishing,
)
from laws.searches import Puzzle, work
from laws.strategies import examples
from rejections import BROKEN, REFINING, asked

from verifier.certificates import aptp
from verifier.certificates.check import check
from verifier.certificates.dual import Parts
from verifier.certificates.numbers import Array
from verifier.certificates.refined import Forms, Refined
from verifier.complete.bab import ActivationSearch
from verifier.complete.record import Recorder
from verifier.graph.graph import Graph

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def failing() -> tuple[Graph, Entry]:
    """The refined nodes of a search for what is not to be found; nothing else of its proof is complete."""
    problem, recorder = asked(-BROKEN), Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verifier.attacks.attack.replay", lambda problem, x, method: [None] * len(x))
        refines_all(patch)
        patch.setattr(ActivationSearch, "_conclusion", lambda self, tree: self._verified(0.0, tree))
        REFINING(problem, replace(work(30.0, 60), record=recorder))
    return problem.model.graph, entry(recorder)


def test_broken_points_stay(failing: tuple[Graph, Entry]) -> None:
    assert law_broken_points_stay(*failing) > 1000
    assert law_wishes(*failing) > 10000


@given(data=st.data())
@examples(60)
def test_broken_points_stay_whatever_is_proposed(failing: tuple[Graph, Entry], data: st.DataObject) -> None:
    """Other nodes, multipliers, slopes and weights."""
    graph, e = failing
    forged = wishing(e)
    gen = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    part, names = refined(forged), ("node", "beta", "tried", "shares", "weight")
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1)):
        match name:
            case "node":
                gen.shuffle(part["node"])
            case "shares":
                for share in (x for sides in part["shares"].values() for x in sides.values()):
                    share[:] = gen.integers(0, 256, share.shape)
            case _:
                part[name] = abs(part[name]) * 10.0 ** gen.integers(-3, 3, part[name].shape)
    law_broken_points_stay(graph, forged)


def believed(patch: Patch) -> None:
    """Claims count, whatever is computed."""
    patch.setattr(Refined, "_where", lambda self, forms, form, *_: np.full(len(form), WISH))


def turned_multipliers(patch: Patch) -> None:
    """Of cuts, on the wrong side. (Without them the bound of a row holds as well.)"""
    pulls = Parts._pulls

    def turned(self: Parts, *args: Any) -> tuple[dict[str, Array], Array]:
        found, size = pulls(self, *args)
        return {name: -pull for name, pull in found.items()}, size

    patch.setattr(Parts, "_pulls", turned)


def other_halves(patch: Patch) -> None:
    """Intervals of what lies on the other side of each cut."""
    intervals = Parts._intervals
    patch.setattr(Parts, "_intervals", lambda self, place, side, at: intervals(self, place, -side, at))


def wrong_sign(patch: Patch) -> None:
    where = Refined._where

    def turned(self: Refined, forms: Forms, form: Array, rows: Forms, row: Array, t: Array) -> Array:
        return where(self, forms, form, Forms(rows.center, rows.size, -rows.slope), row, t)

    patch.setattr(Refined, "_where", turned)


def another_entry(patch: Patch) -> None:
    where = Refined._where

    def rolled(self: Refined, forms: Forms, form: Array, *args: Any) -> Array:
        return where(self, forms, np.roll(form, 1), *args)

    patch.setattr(Refined, "_where", rolled)


def another_node(patch: Patch) -> None:
    """The row of one node for the claims of the next."""
    where = Refined._where

    def rolled(self: Refined, forms: Forms, form: Array, rows: Forms, row: Array, t: Array) -> Array:
        other = Forms(*(np.roll(x, 1, 0) for x in (rows.center, rows.size, rows.slope)))
        return where(self, forms, form, other, row, t)

    patch.setattr(Refined, "_where", rolled)


def no_offset(patch: Patch) -> None:
    """A form that is its slopes only."""
    of = Forms.of
    patch.setattr(Forms, "of", lambda *args: Forms((f := of(*args)).center + f.size, f.size, f.slope))


def everywhere(patch: Patch) -> None:
    """What is proved in one node holds in all."""
    patch.setattr(Refined, "_ancestors", lambda self, node: np.arange(len(node)) - 1)


MUTANTS = (
    believed,
    turned_multipliers,
    other_halves,
    wrong_sign,
    another_entry,
    another_node,
    no_offset,
    everywhere,
)


@pytest.mark.parametrize("lie", MUTANTS)
def test_mutants_of_the_checker(lie: Callable[[Patch], None], failing: tuple[Graph, Entry], monkeypatch: Patch) -> None:
    with monkeypatch.context() as patch:
        lie(patch)
        with pytest.raises(AssertionError):
            law_wishes(*failing)


def test_honest_claims_are_computed_in_full(proved: tuple[Graph, Recorder]) -> None:
    """Then slopes at the same shares are the same lines in the search and in the checker."""
    graph, recorder = proved
    found = computed(graph, entry(recorder))[1]
    claim = np.where(found.above, -found.claim, found.claim)
    empty = np.repeat(found.empty, found.count)
    assert (found.end == claim)[~empty].all()
    assert found.empty[np.isin(found.duals.node, empties(entry(recorder)))].all()


def test_fractions_agree(failing: tuple[Graph, Entry]) -> None:
    graph, e = failing
    exact, floats = (computed(graph, e, exact)[1].end.astype(float) for exact in (True, False))
    assert (exact >= floats).all()
    assert (exact - floats <= 1e-9 * (1 + abs(floats))).all()


@pytest.mark.parametrize("exact", [False, True], ids=["floats", "fractions"])
def test_the_truth_is_accepted(exact: bool, proved: tuple[Graph, Recorder], tmp_path: Path) -> None:
    graph, recorder = proved
    (found,) = accepted(recorder, graph, tmp_path, exact)
    assert found.leaves == (entry(recorder)["proof"]["search"]["tree"]["place"] < 0).sum()


LAYERS = (("linear", "relu", "linear", "relu"), ("linear", "prelu", "linear", "relu"), ("linear", "tanh", "linear"))


def test_round_trips(monkeypatch: Patch) -> None:
    """Also with functions that bend, and several clauses; in fractions where that can be."""
    refines_all(monkeypatch)
    claims = []

    @given(st.sampled_from(LAYERS), st.integers(0, 10**6), st.sampled_from(((0,), (0, 0, 1, 2))), st.booleans())
    @examples(40)
    def law(layers: tuple[str, ...], seed: int, clause: tuple[int, ...], strict: bool) -> None:
        puzzle = Puzzle((4,), layers, seed, 1.0, "box", 1.0, clause, (not strict,) * len(clause), 0.02)
        asked = puzzle.problem()
        recorder, _ = recorded(asked, REFINING, 2.0)
        for e in recorder.entries:
            if "refined" in e["proof"].get("search", {}):
                claims.append(len(refined(e)["place"]))
                with TemporaryDirectory() as folder:
                    law_true(accepted(recorder, asked.model.graph, Path(folder)))
                    if "tanh" not in layers and len(refined(e)["place"]) < 60:
                        law_true(accepted(recorder, asked.model.graph, Path(folder), exact=True))

    law()
    assert len(claims) >= 5
    assert sum(claims) > 50


def test_aptp_lists_empty_leaves_too(proved: tuple[Graph, Recorder], tmp_path: Path) -> None:
    graph, recorder = proved
    certificate, model = written(recorder, tmp_path)
    paths = aptp.write(tmp_path / "p", certificate, list(check(certificate, model, graph)))
    tree = entry(recorder)["proof"]["search"]["tree"]
    assert sum(path.read_text().count("  (and ") for path in paths) == (tree["place"] < 0).sum()
