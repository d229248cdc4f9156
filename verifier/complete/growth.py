"""Trees of searches as they grow, with the numbers that prove them.

Nothing here decides anything: the checker (`verifier.certificates`) computes everything again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.bounding.notes import Notes
from verifier.complete.boxes import Boxes
from verifier.complete.domains import Domains
from verifier.complete.refine import Tighter
from verifier.complete.relaxed import Relaxed
from verifier.complete.written import array, claims, duals, noted

LIMIT = 200 * 2**20  # bytes of one proof before they are compressed


class Growth:
    """A binary tree as it grows: nodes are numbered in the order in which their parents were cut."""

    def __init__(self, roots: int) -> None:
        self.count = roots
        self.cuts: list[tuple[Tensor, Tensor, Tensor, int]] = []

    def cut(self, node: Tensor, place: Tensor, point: Tensor) -> Tensor:
        """The children's numbers `(2N,)`: first those at most the point, then those at least."""
        first, self.count = self.count, self.count + 2 * len(node)
        self.cuts.append((node, place, point.double(), first))
        return torch.arange(first, self.count)

    def tree(self) -> dict[str, np.ndarray]:
        place, point = np.full(self.count, -1), np.zeros(self.count)
        at_most, at_least = np.full(self.count, -1), np.full(self.count, -1)
        for node, where, at, first in self.cuts:
            index, children = node.numpy(), first + np.arange(len(node))
            place[index], point[index] = where.numpy(), at.numpy()
            at_most[index], at_least[index] = children, children + len(node)
        return {"place": place, "point": point, "at_most": at_most, "at_least": at_least}


class Activations(Growth):
    """The tree of one question, about `clauses (K,)`, what proves its leaves, and what the intervals of refined
    nodes."""

    def __init__(self, relaxed: Relaxed, clauses: Tensor) -> None:
        super().__init__(len(clauses))
        self.relaxed, self.clauses = relaxed, clauses
        self.leaves: list[Domains] = []
        self.refined: list[Domains] = []
        self.claims: list[dict[str, np.ndarray]] = []
        self.bytes = 0

    def close(self, leaves: Domains) -> None:
        """These are proved."""
        if self._fits(leaves):
            self.leaves.append(_bare(leaves))

    def refine(self, found: Tighter) -> None:
        """Intervals of these were tightened; the empty ones are closed by that."""
        found = found[(found.new.any(1) | found.empty).nonzero().flatten()]
        self.bytes += 12 * int(found.new.sum())
        if self._fits(found.domains):
            self.refined.append(_bare(found.domains))
            self.claims.append(claims(found))

    def _fits(self, domains: Domains) -> bool:
        self.bytes += sum(share.numel() for share in domains.share.values())
        return self.bytes <= LIMIT

    def written(self) -> dict[str, Any]:
        claimed = {name: np.concatenate([part[name] for part in self.claims]) for name in (self.claims or [{}])[0]}
        refined = {"refined": {**duals(self.refined), **claimed}} if self.refined else {}
        return {
            "clauses": self.clauses.numpy(),
            "sites": [{"name": site.name, "entries": site.index.numpy()} for site in self.relaxed.sites],
            "tree": self.tree(),
            "leaves": duals(self.leaves) if self.leaves else duals([self.refined[0][torch.arange(0)]]),
            **refined,
        }


@dataclass(eq=False)
class Sweep:
    """Of one sweep of sharpening the nodes that were tightened, in their order, and the lemmas about their entries:
    `bytes` of them, of which no more than there is `room` for are kept."""

    room: int = LIMIT
    bytes: int = 0
    notes: Notes = field(default_factory=Notes)
    lemmas: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def node(self, name: str) -> None:
        """All of its entries are bounded by a walk each, those that stay loose then by searches."""
        self.notes.tightened.append(name)
        self.lemmas[name] = []

    def lemma(self, name: str, index: Tensor, growth: Activations) -> None:
        """The trees of the ends of entries `index (n,)`, first of the lower ones."""
        self.bytes += growth.bytes
        if growth.leaves and self.bytes <= self.room:
            self.lemmas[name].append({"entries": index.numpy(), **growth.written()})

    def written(self) -> dict[str, Any]:
        """A recipe, with lemmas."""
        return {**noted(self.notes, [0]), "lemmas": self.lemmas}


def halves(domains: Domains, place: Tensor, point: Tensor, growth: Growth | None) -> Domains:
    """The children of domains that are cut, as they are called in a tree that grows."""
    children = domains.cut(place, point)
    return children if growth is None else replace(children, node=growth.cut(domains.node, place, point))


class Inputs(Growth):
    """The trees of `B` questions over their inputs; `notes` are those of all rounds together."""

    def __init__(self, questions: int) -> None:
        super().__init__(questions)
        self.bounded: list[Tensor] = []
        self.notes = Notes()
        self.standard: list[Mapping[str, Any]] = []

    def bound(self, boxes: Boxes, notes: Notes) -> None:
        """The boxes were bounded, and clipped by their bounds."""
        self.bounded.append(boxes.node)
        self.standard.append(notes.standard)
        self.notes.tightened += [name for name in notes.tightened if name not in self.notes.tightened]
        for name in ("level", "grounded", "symbols"):
            setattr(self.notes, name, getattr(notes, name))
        self.notes.bands = max(self.notes.bands, notes.bands)
        slopes = "slopes of single boxes" if notes.starts or notes.rows else ""
        self.notes.unsupported = self.notes.unsupported or notes.unsupported or slopes

    def written(self, index: Sequence[int]) -> dict[str, Any]:
        """Only the trees of the questions at `index`."""
        tree = self.tree()
        bounded = np.zeros(self.count, dtype=bool)
        number = torch.cat(self.bounded) if self.bounded else torch.empty(0, dtype=torch.long)
        bounded[number.numpy()] = True
        root = np.arange(self.count)
        for node, _, _, first in self.cuts:
            root[first : first + 2 * len(node)] = np.tile(root[node.numpy()], 2)
        kept = np.flatnonzero(np.isin(root, np.array(index)))
        renamed = np.full(self.count + 1, -1)
        renamed[kept] = np.arange(len(kept))
        tree = {name: values[kept] for name, values in tree.items()}
        for name in ("at_most", "at_least"):
            tree[name] = renamed[tree[name]]
        wanted = np.isin(number.numpy(), kept)
        order = np.flatnonzero(wanted)[np.argsort(number.numpy()[wanted], kind="stable")]
        standard = {}
        for name in self.standard[0] if self.standard else ():
            parts = [slopes[name] for slopes in self.standard]
            standard[name] = {
                side: array(torch.cat([getattr(part, side) for part in parts]))[order] for side in ("lower", "upper")
            }
        plain = noted(self.notes, [])
        return {**plain, "standard": standard, "boxes": {"tree": tree, "bounded": bounded[kept]}}


def _bare(domains: Domains) -> Domains:
    """Without intervals, which take more memory than all the rest."""
    return replace(domains, lower=domains.lower[:, :0], upper=domains.upper[:, :0])
