"""Lies about refined nodes are caught: certificates that were tampered with, and searches that are wrong."""

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import accepted, entry, law_rejected, recorded, resave, written
from laws.refined import Entry, refined, refines_all, wishing
from laws.strategies import examples
from rejections import BROKEN, MARGIN, REFINING, arrays, asked
from torch import Tensor

from verifier.certificates.check import check
from verifier.complete import refine
from verifier.complete.domains import Domains
from verifier.complete.record import Recorder
from verifier.complete.refine import Refinement, Tighter
from verifier.errors import InputError, Rejected
from verifier.graph.graph import Graph

Patch = pytest.MonkeyPatch


def negative(e: Entry) -> None:
    refined(e)["tried"] *= -1


def negative_beta(e: Entry) -> None:
    refined(e)["beta"] = refined(e)["beta"] - 1


def unknown_node(e: Entry) -> None:
    refined(e)["node"][0] = 10**6


def node_twice(e: Entry) -> None:
    refined(e)["node"][0] = refined(e)["node"][1]


def unknown_entry(e: Entry) -> None:
    refined(e)["place"][0] = 10**6


def entry_below_zero(e: Entry) -> None:
    refined(e)["place"][0] = -1


def unknown_multiplier(e: Entry) -> None:
    refined(e)["which"][0] = 7


def not_a_number(e: Entry) -> None:
    refined(e)["end"][0] = np.nan


def infinite(e: Entry) -> None:
    refined(e)["tried"][0] = np.inf


def counts_below_zero(e: Entry) -> None:
    refined(e)["count"][:2] += np.array([-100, 100])


def too_many(e: Entry) -> None:
    refined(e)["count"][0] += 1


def nothing_refined(e: Entry) -> None:
    del e["proof"]["search"]["refined"]


def nothing_claimed(e: Entry) -> None:
    refined(e)["count"][:] = 0
    for name in ("place", "above", "which", "end"):
        refined(e)[name] = refined(e)[name][:0]


def no_multipliers(e: Entry) -> None:
    refined(e)["tried"] *= 0


def other_side(e: Entry) -> None:
    refined(e)["above"] = ~refined(e)["above"]
    refined(e)["end"] *= -1


def siblings(e: Entry) -> None:
    """Each refined node's numbers are said to be about the node beside it."""
    tree, node = e["proof"]["search"]["tree"], refined(e)["node"]
    inner = tree["place"] >= 0
    other = dict(zip(tree["at_most"][inner], tree["at_least"][inner], strict=True))
    other |= {b: a for a, b in other.items()}
    refined(e)["node"] = np.array([other.get(n, n) for n in node.tolist()])


LIES = (
    negative,
    negative_beta,
    unknown_node,
    node_twice,
    unknown_entry,
    entry_below_zero,
    unknown_multiplier,
    not_a_number,
    infinite,
    counts_below_zero,
    too_many,
    nothing_refined,
    nothing_claimed,
    no_multipliers,
    other_side,
    siblings,
)


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_rejected(lie: Callable[[Entry], None], proved: tuple[Graph, Recorder], tmp_path: Path) -> None:
    law_rejected(*proved, lie, tmp_path)


@given(data=st.data())
@examples(80)
def test_whatever_is_changed_nothing_false_is_accepted(proved: tuple[Graph, Recorder], data: st.DataObject) -> None:
    """The property fails somewhere; claims are honest or wishes, and any array is changed anywhere."""
    graph, recorder = proved
    forged = copy.deepcopy(entry(recorder))
    forged = wishing(forged) if data.draw(st.booleans()) else forged
    forged["offset"] = forged["offset"] - MARGIN - BROKEN
    for _ in range(data.draw(st.integers(0, 3))):
        array = data.draw(st.sampled_from(arrays(forged["proof"])))
        if array.size:
            place = data.draw(st.integers(0, array.size - 1))
            change = data.draw(st.sampled_from((-1e9, -2.0, -1.0, 1.0, 0.5, 3.0, 1e9)))
            with np.errstate(all="ignore"):
                array.reshape(-1)[place] += np.array(change).astype(array.dtype)
    with TemporaryDirectory() as folder:
        certificate, model = written(recorder, Path(folder))
        resave([forged], certificate, model)
        with pytest.raises((Rejected, InputError)):
            list(check(certificate, model, graph))


def too_tight(patch: Patch) -> None:
    """Ends are better than they are."""
    where = refine.Forms.where

    def better(self: refine.Forms, other: refine.Forms) -> tuple[Tensor, Tensor, Tensor]:
        least, tried, which = where(self, other)
        return least + self.size, tried, which

    patch.setattr(refine.Forms, "where", better)


def all_empty(patch: Patch) -> None:
    """Whatever is near to its end is closed."""
    call = Refinement.__call__

    def closed(self: Refinement, domains: Domains, scores: Tensor) -> Tighter:
        found = call(self, domains, scores)
        return Tighter(found.domains, torch.ones_like(found.empty), found.place, found.tried, found.which, found.new)

    patch.setattr(Refinement, "__call__", closed)


@pytest.mark.parametrize("lie", [too_tight, all_empty])
def test_lying_searches_are_caught(lie: Callable[[Patch], None], monkeypatch: Patch, tmp_path: Path) -> None:
    """What is false is verified with the lie, and its certificate rejected."""
    false = asked(-BROKEN)
    with monkeypatch.context() as patch:
        patch.setattr("verifier.attacks.attack.replay", lambda problem, x, method: [None] * len(x))
        refines_all(patch)
        lie(patch)
        recorder, indices = recorded(false, REFINING, 20.0)
    assert indices == [0]
    assert recorder.proved == 1
    with pytest.raises(Rejected):
        accepted(recorder, false.model.graph, tmp_path)
