"""What lies is caught: searches that are wrong, certificates that were tampered with, files that are none."""

import copy
import io
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import MODEL, accepted, entry, law_accepted, law_true, recorded, resave, written
from laws.searches import Own
from laws.strategies import examples
from torch import Tensor

from verifier.attacks.pgd import Pgd
from verifier.bounding.methods import AlphaCrown, Crown
from verifier.certificates.check import check
from verifier.complete import input_split
from verifier.complete.bab import Bab
from verifier.complete.boxes import Boxes
from verifier.complete.domains import Domains
from verifier.complete.input_split import InputSplit
from verifier.complete.record import Recorder
from verifier.complete.relaxed import Relaxed
from verifier.errors import InputError, Rejected
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

BAB = Bab(root=AlphaCrown(steps=2), first=4, steps=4, batch=8)
CUTS = InputSplit(batch=16)


def asked(margin: float) -> Problem:
    """Three inputs, two layers of ReLU, two rows in a clause and one on its own; `margin` above the least sampled."""
    gen = torch.Generator().manual_seed(5)

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=gen, dtype=torch.float64)

    builder = Builder("x", (3,))
    at = builder.input
    for i, (out, size) in enumerate(((8, 3), (8, 8), (3, 8))):
        at = builder.add(Linear(weight(out, size), 0.3 * weight(out)), at, name=f"dense{i}")
        at = builder.add(Relu(), at, name=f"relu{i}") if i < 2 else at
    graph = builder.finish(at, {})
    region = box(torch.full((1, 3), -0.6), torch.full((1, 3), 0.6))
    rows = torch.stack([weight(1, 3) for _ in range(3)])
    spec = Specification(rows, torch.zeros(3, 1, dtype=torch.float64), (0, 0, 1))
    x = torch.rand(20000, 3, generator=gen, dtype=torch.float64) * 1.2 - 0.6
    values = (graph(x) @ rows[:, 0].T).T
    low = torch.stack([values[:2].amax(0).amin(), values[:2].amax(0).amin(), values[2].amin()])
    spec = Specification(rows, (margin - low).unsqueeze(1), (0, 0, 1))
    return Problem(Model(graph, Own(graph), "test"), region, spec)


@pytest.fixture(scope="module")
def trees() -> dict[str, tuple[Graph, Recorder]]:
    found = {}
    for name, stage, margin in (("activations", BAB, 1.0), ("inputs", CUTS, 0.2)):
        recorder, proved = recorded(asked(margin), stage, 20.0)
        assert proved == [0]
        found[name] = (asked(margin).model.graph, recorder)
    assert len(entry(found["activations"][1])["proof"]["search"]["leaves"]["node"]) > 3
    assert entry(found["inputs"][1])["proof"]["boxes"]["bounded"].sum() > 3
    return found


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
    graph, recorder = trees[kind]
    certificate, model = written(recorder, tmp_path)
    forged = copy.deepcopy(entry(recorder))
    lie(forged)
    resave([forged], certificate, model)
    with pytest.raises((Rejected, InputError)):
        list(check(certificate, model, graph))


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


def arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value] if value.dtype != bool else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [array for part in parts for array in arrays(part)]


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
        patch.setattr("verifier.complete.bab.replay", lambda *_: [])
        patch.setattr("verifier.complete.input_split.replay", lambda problem, x, name: [None] * len(x))
        patch.setattr(Pgd, "__call__", lambda self, graph, problem, *_: [None] * problem.batch)
        lie(patch)
        recorder, proved = recorded(asked(margin), stage, 20.0)
    assert proved == [0]
    with pytest.raises(Rejected):
        accepted(recorder, asked(margin).model.graph, tmp_path)


def test_another_network_is_refused(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    model.write_bytes(MODEL + b".")
    with pytest.raises(Rejected, match="another file"):
        list(check(certificate, model, graph))


def test_damaged_files_are_input_errors(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    whole = certificate.read_bytes()
    gen = np.random.default_rng(0)
    files = [b"", b"PK", gen.bytes(1000), b'{"version": 1}', *(whole[:n] for n in range(0, len(whole) - 1, 997))]
    for data in files:
        certificate.write_bytes(data)
        with pytest.raises(InputError):
            list(check(certificate, model, graph))
    for place in gen.integers(0, len(whole), 60):
        flipped = bytearray(whole)
        flipped[place] ^= 255
        certificate.write_bytes(bytes(flipped))
        with suppress(InputError, Rejected):
            law_true(list(check(certificate, model, graph)))


def test_nothing_is_unpickled(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return touched.touch, ()

    data = io.BytesIO()
    np.save(data, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(certificate, "a") as archive:
        archive.writestr("999.npy", data.getvalue())
    with pytest.raises(InputError):
        list(check(certificate, model, graph))
    certificate.write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError):
        list(check(certificate, model, graph))
    assert not touched.exists()
