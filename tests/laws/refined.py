"""Laws of refined nodes in certificates: whatever is proposed, what is proved holds where the row is broken."""

import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from verifier.certificates.activations import Leaves
from verifier.certificates.bounds import Recipe
from verifier.certificates.check import asked as question
from verifier.certificates.file import load, save
from verifier.certificates.networks import Networks
from verifier.certificates.numbers import Numbers
from verifier.certificates.refined import Refined
from verifier.complete import refine
from verifier.complete.refine import Refinement
from verifier.graph.graph import Graph
from verifier.numerics import flat

WISH = 6e4  # an end that is claimed, and far too good
FORCES = (1.0, 1e4)  # factors of multipliers of cuts: with large ones a form is about little else

Entry = dict[str, Any]


def refines_all(patch: pytest.MonkeyPatch) -> None:
    """Every domain counts as near to its end."""
    patch.setattr(refine, "NEAR", 1e6)
    patch.setattr(Refinement, "learn", lambda *_: None)


def refined(e: Entry) -> Entry:
    return e["proof"]["search"]["refined"]


def empties(e: Entry) -> list[int]:
    """Leaves that refining closed."""
    search = e["proof"]["search"]
    return sorted(set(np.flatnonzero(search["tree"]["place"] < 0).tolist()) - set(search["leaves"]["node"].tolist()))


def computed(graph: Graph, e: Entry, exact: bool = False) -> tuple[Leaves, Refined]:
    """What the checker makes of the refined nodes."""
    with TemporaryDirectory() as folder:
        save(Path(folder) / "c.zip", {"entry": e})
        reader = load(Path(folder) / "c.zip")["entry"]
    numbers = Numbers(exact)
    network = Networks(graph, numbers).of(reader)
    q = question(reader, graph, network.graph)
    with np.errstate(all="ignore"):
        recipe = Recipe(network, reader["proof"], 1, network.relevant(q.rows))
        table = recipe.table(numbers.array(q.lower), numbers.array(q.upper))
        leaves = Leaves(table, reader["proof"]["search"], q.graph.output, int(q.clause.max()) + 1)
        members = leaves._members(q.clause)
        parts = leaves.parts(numbers.array(q.rows)[:, 0][members], numbers.array(q.offset)[:, 0][members])
        return leaves, Refined(leaves.value, parts)


def law_broken_points_stay(graph: Graph, e: Entry, count: int = 100_000) -> int:
    """In no refined node a point that breaks the row lies outside of the proved ends, or in a node found empty. Returns
    how many points and claims were compared."""
    leaves, found = computed(graph, e)
    gen, compared = torch.Generator().manual_seed(1), 0
    low, high = (torch.from_numpy(e[side]) for side in ("lower", "upper"))
    x = low + (high - low) * torch.rand(count, low.shape[1], generator=gen, dtype=torch.float64)
    z = np.concatenate([flat(graph.until(s.name)(x), 1).numpy()[:, s.entries] for s in leaves.sites], 1)
    values = flat(graph(x), 1).numpy() @ e["rows"][:, 0].T + e["offset"][:, 0]
    for i, node in enumerate(found.duals.node.tolist()):
        place, side, point, root = (part[0] for part in found.parts.cuts(np.array([node])))
        broken = (values[:, e["clause"] == leaves.clauses[root]] <= 0).all(1)
        for p, s, c in zip(place, side, point, strict=True):
            broken &= (p < 0) | (s * (z[:, p] - c) >= 0)
        assert not (found.empty[i] and broken.any()), "a node with a broken point was found empty"
        mine = found._claims(np.array([i]))
        sign = np.where(found.above[mine], -1, 1)
        inside = sign * z[broken][:, found.place[mine]]
        assert (inside >= found.end[mine] - 1e-9 * (1 + abs(inside))).all(), "a broken point lies outside"
        compared += inside.size
    return compared


def wishing(e: Entry, force: float = 1.0) -> Entry:
    """All that can be claimed: of every entry, from both sides, by each multiplier, an end that is far too good."""
    forged = copy.deepcopy(e)
    part, places = refined(forged), sum(len(site["entries"]) for site in e["proof"]["search"]["sites"])
    count = len(part["node"])
    part["tried"] = np.concatenate([part["tried"], np.ones((count, 1)), np.full((count, 1), 4.0)], 1)
    every = np.meshgrid(np.arange(places), [False, True], np.arange(part["tried"].shape[1]))
    place, above, which = (np.tile(x.reshape(-1), count) for x in every)
    end = np.where(above, -WISH, WISH).astype(np.float16)
    each = np.full(count, every[0].size)
    part |= {"count": each, "place": place, "above": above, "which": which.astype(np.uint8), "end": end}
    part["beta"] = part["beta"] * force
    return forged


def law_wishes(graph: Graph, e: Entry) -> int:
    return sum(law_broken_points_stay(graph, wishing(e, force)) for force in FORCES)
