"""Certificates that were tampered with are rejected, or true all the same."""

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import accepted, entry, law_rejected, law_true, resave, written
from laws.strategies import examples
from rejections import arrays

from verifier.certificates.check import check
from verifier.complete.record import Recorder
from verifier.errors import InputError, Rejected
from verifier.graph.graph import Graph

Tamper = Callable[[dict[str, Any]], None]


def search(e: dict[str, Any]) -> dict[str, Any]:
    return e["proof"]["search"]


def drop_leaf(e: dict[str, Any]) -> None:
    leaves = search(e)["leaves"]
    for name in ("node", "beta", "weight"):
        leaves[name] = leaves[name][1:]
    for sides in leaves["shares"].values():
        for side in sides:
            sides[side] = sides[side][1:]


def repeat_leaf(e: dict[str, Any]) -> None:
    search(e)["leaves"]["node"][0] = search(e)["leaves"]["node"][1]


def swap_children(e: dict[str, Any]) -> None:
    tree = search(e)["tree"]
    tree["at_most"], tree["at_least"] = tree["at_least"], tree["at_most"]


def negative_beta(e: dict[str, Any]) -> None:
    search(e)["leaves"]["beta"] = -search(e)["leaves"]["beta"] - 1


def negative_weight(e: dict[str, Any]) -> None:
    search(e)["leaves"]["weight"] = search(e)["leaves"]["weight"] * np.array([[3.0, -2.0]])


def drop_clause(e: dict[str, Any]) -> None:
    search(e)["clauses"] = np.zeros_like(search(e)["clauses"])


def cut_elsewhere(e: dict[str, Any]) -> None:
    tree = search(e)["tree"]
    tree["place"] = np.where(tree["place"] >= 0, 0, -1)


def site_twice(e: dict[str, Any]) -> None:
    """The same places as before, but named in two parts."""
    site = search(e)["sites"][0]
    name, entries = site["name"], site["entries"]
    search(e)["sites"][:1] = [{"name": name, "entries": part} for part in (entries[:1], entries[1:])]
    search(e)["leaves"]["shares"] = {}


def level(e: dict[str, Any]) -> None:
    e["proof"]["level"] = 1


def level_only(e: dict[str, Any]) -> None:
    e["proof"] |= {"level": 1, "tightened": []}


def rows_elsewhere(e: dict[str, Any]) -> None:
    e["proof"]["rows"] = [{**part, "first": -7} for part in e["proof"]["rows"]]
    search(e)["clauses"] = search(e)["clauses"] + 5


def gap(e: dict[str, Any]) -> None:
    """A subtree that hangs at one side only."""
    tree = e["proof"]["boxes"]["tree"]
    inner = int(np.flatnonzero(tree["place"] >= 0)[-1])
    tree["at_least"][inner] = tree["at_most"][inner]


def no_bounding(e: dict[str, Any]) -> None:
    e["proof"]["boxes"]["bounded"][:] = False


def no_cuts(e: dict[str, Any]) -> None:
    boxes = e["proof"]["boxes"]
    boxes["tree"] = {name: values[:1] * 0 - 1 for name, values in boxes["tree"].items()}
    boxes["bounded"] = boxes["bounded"][:1]


def cut_at_the_side(e: dict[str, Any]) -> None:
    e["proof"]["boxes"]["tree"]["point"] += 10.0


def other_rows(e: dict[str, Any]) -> None:
    e["rows"] = -e["rows"]


def other_offset(e: dict[str, Any]) -> None:
    e["offset"] = e["offset"] - 0.1


def wider_box(e: dict[str, Any]) -> None:
    e["upper"] = e["upper"] + 0.3


def clauses_apart(e: dict[str, Any]) -> None:
    e["clause"] = np.array([0, 1, 2])


def clause_gap(e: dict[str, Any]) -> None:
    e["clause"] = np.array([0, 0, 2])


def no_kind(e: dict[str, Any]) -> None:
    e["proof"]["kind"] = "trust me"


def not_finite(e: dict[str, Any]) -> None:
    e["offset"] = e["offset"] + np.inf


LIES = {
    "activations": (
        drop_leaf,
        repeat_leaf,
        swap_children,
        negative_beta,
        negative_weight,
        drop_clause,
        cut_elsewhere,
        site_twice,
        level,
        level_only,
        rows_elsewhere,
        other_rows,
        other_offset,
        wider_box,
        clauses_apart,
        clause_gap,
        no_kind,
        not_finite,
    ),
    "inputs": (
        gap,
        no_bounding,
        level,
        no_cuts,
        cut_at_the_side,
        other_rows,
        other_offset,
        wider_box,
        clauses_apart,
        clause_gap,
        no_kind,
        not_finite,
    ),
}


@pytest.mark.parametrize("kind", LIES)
def test_the_truth_is_accepted(kind: str, trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees[kind]
    law_true(accepted(recorder, graph, tmp_path))


@pytest.mark.parametrize(("kind", "lie"), [(kind, lie) for kind, lies in LIES.items() for lie in lies])
def test_lies_are_rejected(kind: str, lie: Tamper, trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    law_rejected(*trees[kind], lie, tmp_path)


@given(data=st.data())
@examples(150)
def test_whatever_is_changed_nothing_false_is_accepted(
    trees: dict[str, tuple[Graph, Recorder]], data: st.DataObject
) -> None:
    """Any array, any entry, any value: rejected, or true all the same. Slopes out of range are among them."""
    kind = data.draw(st.sampled_from(sorted(LIES)))
    graph, recorder = trees[kind]
    forged = copy.deepcopy(entry(recorder))
    for _ in range(data.draw(st.integers(1, 3))):
        array = data.draw(st.sampled_from(arrays(forged)))
        if not array.size:
            continue
        place = data.draw(st.integers(0, array.size - 1))
        change = data.draw(st.sampled_from((-1e9, -2.0, -1.0, 1.0, 0.5, 3.0, 1e9)))
        with np.errstate(all="ignore"):
            array.reshape(-1)[place] += np.array(change).astype(array.dtype)
    with TemporaryDirectory() as folder:
        certificate, model = written(recorder, Path(folder))
        resave([forged], certificate, model)
        try:
            found = list(check(certificate, model, graph))
        except (Rejected, InputError):
            return
    law_true(found)
