"""Sweeps of sharpening in certificates: the checker finds what the search found, and no lie moves an end too far."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.cases import Case, points
from laws.certificates import accepted, entry, law_true, recorded
from laws.containment import node_values
from laws.nets import PIECEWISE
from laws.searches import Puzzle, problem, relaxed, work
from laws.strategies import examples
from test_refined import other_halves, turned_multipliers
from torch import Tensor

from verifier.bounding.methods import Crown
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.certificates.activations import Leaves
from verifier.certificates.bounds import Recipe
from verifier.certificates.file import Reader, load, save
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.operators import Network
from verifier.certificates.sharpened import Sweep
from verifier.certificates.table import Table
from verifier.complete import bab, growth, restart, sharpen
from verifier.complete.bab import Bab
from verifier.complete.pace import Turns
from verifier.complete.relaxed import Relaxed
from verifier.complete.sharpen import Sharpening
from verifier.complete.written import noted
from verifier.errors import InputError, Rejected
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.properties import Specification
from verifier.regions import box

Patch = pytest.MonkeyPatch
Proof = dict[str, Any]
KINDS = (*(k for k in PIECEWISE if k != "prelu"), "linear", "conv", "norm", "relu", "residual")
SHARPENS = Bab(root=Crown(), first=5, steps=4, batch=64)


def mlp(seed: int, margin: float = 0.0) -> Case:
    """Three inputs and three layers of ReLU; `margin` above the least sampled row."""
    gen = torch.Generator().manual_seed(seed)

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=gen, dtype=torch.float64)

    builder = Builder("x", (3,))
    at = builder.input
    for out, size in ((8, 3), (8, 8), (8, 8)):
        at = builder.add(Linear(weight(out, size) / size**0.5, 0.3 * weight(out)), at, name="dense")
        at = builder.add(Relu(), at, name="relu")
    graph = builder.finish(builder.add(Linear(weight(2, 8), None), at, name="last"), {})
    rows, x = weight(2, 1, 2), 2 * torch.rand(5000, 3, generator=gen, dtype=torch.float64) - 1
    offset = margin - (graph(x) @ rows[:, 0].T).amin(0).unsqueeze(1)
    return Case(graph, box(-torch.ones(1, 3), torch.ones(1, 3)), Specification(rows, offset, (0, 1)))


def proposed(case: Case) -> tuple[Proof, dict[str, Interval]]:
    """What a sweep writes about a case, after CROWN, and the intervals that it found."""
    notes, sweep = Notes(), growth.Sweep()
    bounds = propagate(case.graph, case.region, Crown(), case.specification, Options(proof=True, notes=notes))
    known = Relaxed(problem(case), bounds.table, torch.float32, None)
    table = Sharpening(rounds=3)(known, torch.arange(known.count).double(), work(60.0), sweep)
    return {**noted(notes, [0]), "sharpened": [sweep.written()]}, table


def checked(case: Case, proof: Proof, exact: bool = False, boxes: int = 1) -> Table:
    """What the checker makes of it."""
    with TemporaryDirectory() as folder:
        save(Path(folder) / "c.zip", proof)
        reader = load(Path(folder) / "c.zip")
    numbers, box = Numbers(exact), case.region.box()
    lower, upper = (numbers.array(flat(side.double(), 1).numpy()) for side in (box.lower, box.upper))
    with np.errstate(all="ignore"):
        network = Network(case.graph, numbers)
        relevant = network.relevant(flat(case.specification.rows.double(), 2).numpy())
        table = Recipe(network, reader, boxes, relevant).table(lower, upper)
        for part in reader["sharpened"].list():
            table = Sweep(network, part, relevant).after(table)
    return table


def law_points_stay(case: Case, table: Table, seed: int = 0) -> None:
    for x in points(case, seed, 64):
        for name, value in node_values(case.graph, x).items():
            y = flat(value, 1).numpy()
            slack = 1e-12 * (1 + abs(y))
            lower, upper = table.lower[name].astype(float), table.upper[name].astype(float)
            assert ((y >= lower - slack) & (y <= upper + slack)).all(), f"a point leaves the interval of {name}"


def law_found_again(case: Case, exact: bool = False) -> int:
    """The checker's ends are those of the search, up to rounding, and hold. Returns how many ends lemmas moved."""
    proof, found = proposed(case)
    table = checked(case, proof, exact)
    for name, interval in found.items():
        size = 1e-7 * (1 + interval.magnitude.max().item())
        for mine, theirs, sign in ((table.lower, interval.lower, 1), (table.upper, interval.upper, -1)):
            far = sign * (mine[name].astype(float) - flat(theirs, 1).numpy())
            assert (far > -size).all(), f"{name} was sharpened, and the checker does not see it"
    law_points_stay(case, table)
    return moved(case, proof, table, exact)


def moved(case: Case, proof: Proof, table: Table, exact: bool = False) -> int:
    """Ends that are better than without lemmas."""
    parts = [{**part, "lemmas": {}} for part in proof["sharpened"]]
    before = checked(case, {**proof, "sharpened": parts}, exact)
    names = table.lower
    return sum(int((table.lower[n] > before.lower[n]).sum() + (table.upper[n] < before.upper[n]).sum()) for n in names)


@examples(25)
@given(
    st.lists(st.sampled_from(KINDS), min_size=3, max_size=6).map(tuple),
    st.integers(0, 10**6),
    st.sampled_from(((3,), (1, 2, 3, 5), (1, 1, 4, 4))),
)
def test_what_was_sharpened_is_found_again(layers: tuple[str, ...], seed: int, shape: tuple[int, ...]) -> None:
    law_found_again(Puzzle(shape, layers, seed, 1.0, "box", 0.5, (0, 1), (), -0.05).case())


def test_lemmas_move_ends() -> None:
    assert sum(law_found_again(mlp(seed)) for seed in range(6)) > 20


def test_in_fractions() -> None:
    assert law_found_again(mlp(1), exact=True) > 5


def lemmas(proof: Proof) -> Iterator[Proof]:
    for part in proof["sharpened"]:
        for several in part["lemmas"].values():
            yield from several


def forged(proof: Proof, names: list[str], seed: int) -> None:
    """Other dual variables, nodes, entries, or leaves without any."""
    gen = np.random.default_rng(seed)
    for lemma in lemmas(proof):
        leaves = lemma["leaves"]
        for name in names:
            match name:
                case "node":
                    gen.shuffle(leaves["node"])
                case "entries":
                    lemma["entries"] = gen.permutation(lemma["entries"])
                case "point":
                    lemma["tree"]["point"] = lemma["tree"]["point"] + gen.normal(size=lemma["tree"]["point"].shape)
                case "shares":
                    for share in (x for sides in leaves["shares"].values() for x in sides.values()):
                        share[:] = gen.integers(0, 256, share.shape)
                case "lost":
                    keep = np.flatnonzero(gen.integers(0, 4, len(leaves["node"])))
                    for key in ("node", "beta", "weight"):
                        leaves[key] = leaves[key][keep]
                    for sides in leaves["shares"].values():
                        for side in sides:
                            sides[side] = sides[side][keep]
                case "force":
                    leaves["beta"] = gen.random(leaves["beta"].shape)
                case _:
                    leaves[name] = abs(leaves[name]) * 10.0 ** gen.integers(-3, 3, leaves[name].shape)


FORGERIES = ("node", "entries", "point", "shares", "lost", "beta", "force", "weight")


@pytest.fixture(scope="module")
def several() -> list[tuple[Case, Callable[[], Proof]]]:
    found = []
    for seed in range(4):
        case = mlp(seed)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "c.zip"
            save(path, proposed(case)[0])
            found.append((case, _again(load(path))))
    return found


def _again(reader: Reader) -> Callable[[], Proof]:
    """Makes copies of what was saved."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"array"}:
                return reader._arrays[value["array"]].copy()
            return {key: plain(item) for key, item in value.items() if key != "version"}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return lambda: plain(reader._value)


@examples(60)
@given(st.lists(st.sampled_from(FORGERIES), min_size=1), st.integers(0, 10**6))
def test_no_point_leaves_whatever_is_proposed(
    several: list[tuple[Case, Callable[[], Proof]]], names: list[str], seed: int
) -> None:
    case, proof = several[seed % len(several)]
    lie = proof()
    forged(lie, names, seed)
    law_points_stay(case, checked(case, lie), seed)


def all_forged(several: list[tuple[Case, Callable[[], Proof]]]) -> None:
    for case, proof in several:
        for seed, names in enumerate(([], *([name] for name in FORGERIES))):
            lie = proof()
            forged(lie, names, seed)
            law_points_stay(case, checked(case, lie), seed)


def believed_weights(patch: Patch) -> None:
    """A multiple of a row counts as the row."""
    patch.setattr("verifier.certificates.activations.replace", lambda duals, **_: duals)


def only_listed_leaves(patch: Patch) -> None:
    """A leaf that nothing is proposed for does not count."""

    def least(self: Leaves, rows: Array, honest: Callable[..., Array] = Leaves.least) -> Array:
        self.leaf = np.intersect1d(self.leaf, self.duals.node)
        return honest(self, rows)

    patch.setattr(Leaves, "least", least)


def another_entry(patch: Patch) -> None:
    least = Leaves.least
    patch.setattr(Leaves, "least", lambda self, rows: np.roll(least(self, rows), 1))


def the_other_side(patch: Patch) -> None:
    """The least value of an entry counts as its greatest."""
    least = Leaves.least
    patch.setattr(Leaves, "least", lambda self, rows: least(self, -rows))


def another_node(patch: Patch) -> None:
    """Rows at the network's output, where it is as large."""
    init = Leaves.__init__

    def moved(self: Leaves, table: Table, value: Reader, start: str, clauses: int) -> None:
        same = [n for n in table.lower if table.lower[n].shape == table.lower[start].shape]
        init(self, table, value, same[0], clauses)

    patch.setattr(Leaves, "__init__", moved)


MUTANTS = (
    believed_weights,
    only_listed_leaves,
    turned_multipliers,
    other_halves,
    another_entry,
    the_other_side,
    another_node,
)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_checker_that_is_wrong_is_noticed(
    mutant: Callable[[Patch], None], several: list[tuple[Case, Callable[[], Proof]]], monkeypatch: Patch
) -> None:
    all_forged(several)
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        all_forged(several)


class Once(Turns):
    """One turn, as soon as a search begins."""

    over = False

    def due(self, ripe: bool) -> bool:
        return not self.over

    def after(self, start: float) -> None:
        self.over = True


def at_once(patch: Patch) -> None:
    patch.setattr(bab, "Turns", Once)
    patch.setattr(bab, "LEAST", 1)
    patch.setattr(restart, "WORTH", -1.0)


def sweeps(e: dict[str, Any]) -> int:
    return sum(len(several) for part in e["proof"].get("sharpened", ()) for several in part["lemmas"].values())


def test_what_sharpening_proves_is_accepted(monkeypatch: Patch, tmp_path: Path) -> None:
    at_once(monkeypatch)
    kept = 0
    for seed in (1, 2, 3):
        asked = problem(mlp(seed, 0.1))
        recorder, proved = recorded(asked, SHARPENS, 20.0)
        assert proved == [0]
        law_true(accepted(recorder, asked.model.graph, tmp_path))
        kept += sweeps(entry(recorder))
    assert kept > 3, "nothing was sharpened"


def test_a_search_that_sharpens_too_far_is_rejected(monkeypatch: Patch, tmp_path: Path) -> None:
    """It looks for no counterexample, either."""
    at_once(monkeypatch)
    least = sharpen.least
    monkeypatch.setattr(sharpen, "least", lambda *args: least(*args) + 1.0)
    monkeypatch.setattr("verifier.attacks.attack.replay", lambda problem, x, method: [None] * len(x))
    lies = 0
    for seed in (2, 6):
        asked = problem(mlp(seed, -0.02))
        recorder, proved = recorded(asked, SHARPENS, 20.0)
        if proved:
            lies += 1
            with pytest.raises(Rejected):
                accepted(recorder, asked.model.graph, tmp_path)
    assert lies, "the search did not believe its own lie"


def test_a_proof_that_takes_too_much_is_not_kept() -> None:
    case, sweep = mlp(1), growth.Sweep(room=100)
    known = relaxed(case)
    Sharpening(rounds=3)(known, torch.arange(known.count).double(), work(), sweep)
    assert sweep.bytes > 100
    assert not any(sweep.lemmas.values())


def test_cuts_of_nodes_that_come_later(several: list[tuple[Case, Callable[[], Proof]]]) -> None:
    """A walk from a lemma's node never meets them, so what their multipliers add would be believed."""
    case, proof = several[0]
    lie = proof()
    later = case.graph.nodes[-1].name
    for lemma in lemmas(lie):
        for site in lemma["sites"][:1]:
            site["name"] = later
    with pytest.raises(InputError, match=f"no such entries of {later}"):
        checked(case, lie)


def test_entries_that_do_not_exist(several: list[tuple[Case, Callable[[], Proof]]]) -> None:
    case, proof = several[0]
    lie = proof()
    for lemma in lemmas(lie):
        lemma["entries"] = lemma["entries"] + 1000
    with pytest.raises(InputError, match="no such entries"):
        checked(case, lie)
