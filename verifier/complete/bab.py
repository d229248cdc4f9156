"""Branch and bound over activations: domains are bounded in batches, cut where it promises most, and proved as they
close."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from verifier.bounding.methods import Method
from verifier.bounding.notes import Notes
from verifier.bounding.propagate import propagate
from verifier.complete.branching.branching import Branching
from verifier.complete.branching.fsb import Fsb
from verifier.complete.curved import bends, suited
from verifier.complete.domain_tree import DomainTree
from verifier.complete.domains import Domains, roots
from verifier.complete.growth import Activations
from verifier.complete.pace import Cooldown, Pace, Turns
from verifier.complete.probes import RegionProbes
from verifier.complete.refine import Refinement
from verifier.complete.relaxed import Relaxed
from verifier.complete.restart import Restart
from verifier.complete.search import OneByOne, Work
from verifier.interval import Interval
from verifier.problem import Problem
from verifier.regions import Box
from verifier.verdict import Reason, Unknown, Verdict, Verified

START = 16  # domains of the first round
ROOT = 0.35  # of the time, at most, goes into the slopes of the root
PATIENCE = 1.0  # seconds before the first descent of an attack, and before intervals are sharpened
WAIT, TURN = 0.12, 0.2  # of the time: when the first turn of sharpening begins at the latest, and what it may take
LEAST, RIPE = 64, 3  # domains before it begins; and for each entry, as an earlier time: a tenth of what it costs


@dataclass(frozen=True)
class Bab(OneByOne):
    """`root` (None: α-CROWN as it suits the network) bounds all nodes once; then each round cuts up to `batch` domains
    and optimises their children's bounds by `steps` of Adam (`first` at the root), from their parent's multipliers.
    Where it goes on for long, and with `sharpens`, it starts again with tighter intervals (`restart.py`)."""

    root: Method | None = None
    branching: Branching = field(default_factory=Fsb)
    batch: int = 1024
    steps: int = 4
    first: int = 30
    sharpens: bool = True
    name = "bab"

    def share(self, work: Work, left: int) -> Work:
        return replace(work, deadline=time.monotonic() + work.seconds / left)

    def answer(self, problem: Problem, work: Work) -> Verdict:
        return self.begin(problem, work).until(work.deadline, self.sharpens)

    def begin(self, problem: Problem, work: Work) -> "ActivationSearch":
        """A run about one question that can be interrupted."""
        return ActivationSearch(self, problem, work)


class ActivationSearch:
    """One run: a tree of domains, grown anew where intervals become tighter, and what is known of the question."""

    def __init__(self, method: Bab, problem: Problem, work: Work) -> None:
        self.method, self.problem, self.work = method, problem, work
        self.last = work.deadline  # of all turns
        self.probes = RegionProbes(problem, work, method.name)
        self.notes: Notes | None = None
        self.restart = Restart(problem, method.branching, self._roots, work.record is not None)
        self.tree: DomainTree | None = None
        self.done = 0

    def until(self, deadline: float, sharpens: bool) -> Verdict:
        """Go on, and say how far it came. Bounds of the whole region may take longer: all else rests on them."""
        if self.tree is None:
            root = self._root(min(deadline, time.monotonic() + ROOT * self.work.seconds))
            if isinstance(root, Verified | Unknown):
                return root
            self.tree = root
        self.work = replace(self.work, deadline=deadline)
        self.tree.again()
        self.tree = self._search(self.tree, sharpens and not bends(self.problem.model.graph))
        return self.probes.found or self._conclusion(self.tree)

    def _root(self, until: float) -> DomainTree | Verified | Unknown:
        """The tree's root, unless bounds of the whole region decide, or time was too short for them."""
        self.notes = Notes() if self.work.record is not None else None
        table, rows = self._bounds(until)
        clauses = self.problem.specification.clauses(rows)[:, 0]
        self.work.note(f"{self.method.name}: root {float(clauses.min()):.4g}")
        if bool((clauses > 0).all()):
            return self._verified(float(clauses.min()), None)
        if self.work.late():
            return Unknown(Reason.TIME, float(clauses.min()), self.method.name, "at the root")
        relaxed = Relaxed(self.problem, table, self.work.dtype, self.work.deployed, self.work.device)
        first = self._roots(relaxed, (~(clauses > 0)).nonzero().flatten())
        return self._tree(relaxed, first, float(torch.where(clauses > 0, clauses, torch.inf).min()))

    def _bounds(self, until: float) -> tuple[Mapping[str, Interval], Tensor]:
        """Of all nodes and rows; slopes are optimised up to the time `until`."""
        graph, proved = self.problem.model.graph, self.work.proved
        known = proved.of(self.problem) if proved is not None else {}
        options = self.work.proof(
            hurry=lambda: time.monotonic() > until, notes=self.notes, known=known, settled=bool(known)
        )
        method = self.method.root or suited(graph)
        bounds = propagate(graph, self.problem.region, method, self.problem.specification, options)
        assert bounds.rows is not None
        return bounds.table, bounds.rows

    def _roots(self, relaxed: Relaxed, clauses: Tensor) -> Domains:
        """A domain for each clause, without cuts, bounded."""
        count = relaxed.search.rows.shape[1]
        weight = torch.full((len(clauses), count), 1 / count)
        known = relaxed.count if isinstance(self.problem.region, Box) else 0
        return relaxed.optimised(roots(clauses, weight, relaxed.start, known), self.method.first, self.work.late)

    def _tree(self, relaxed: Relaxed, first: Domains, margin: float) -> DomainTree:
        growth = Activations(relaxed, first.clause) if self.notes is not None else None
        refines = relaxed.sites and isinstance(self.problem.region, Box)
        refinement = Refinement(relaxed, self.work.bytes, self.last) if refines else None
        return DomainTree(relaxed, first, margin, self.method.branching, self.probes, growth, refinement)

    def _search(self, tree: DomainTree, sharpens: bool) -> DomainTree:
        """Cut and bound until something ends it; the tree, or the one that took its place."""
        name, work = self.method.name, self.work
        pace, cooldown = Pace(START, min(self.method.batch, tree.relaxed.at_once(work.bytes))), Cooldown(PATIENCE)
        turns = Turns(PATIENCE, WAIT * work.seconds, TURN * work.seconds)
        while len(tree.frontier) and not work.late() and self.done < work.domains and self.probes.found is None:
            start = time.monotonic()
            taken = tree.grow(min(pace.size, work.domains - self.done), self.method.steps, work)
            self.done += taken
            pace.after(taken, time.monotonic() - start)
            if cooldown.over():
                start = time.monotonic()
                self.probes.descend(work.late)
                cooldown.after(start)
            worst = tree.frontier.worst()
            work.note(f"{name}: {self.done} domains, {len(tree.frontier)} open, worst {worst:.4g}")
            due = self.done >= LEAST and turns.due(ripe=self.done >= RIPE * tree.relaxed.count)
            if sharpens and due and len(tree.frontier) and self.probes.found is None:
                tree, sharpens = self._sharpened(tree, turns)
        return tree

    def _sharpened(self, tree: DomainTree, turns: Turns) -> tuple[DomainTree, bool]:
        """A new tree within tighter intervals, if those make the roots' bounds better by enough. Did they?"""
        start, first = time.monotonic(), tree.first
        if self.notes is None:  # else the tree that grows anew has to prove what is closed already, too
            first = first[torch.isin(first.clause, torch.cat([part.clause for part in tree.open()]))]
        found = self.restart(tree.relaxed, first, turns.seconds, self.work)
        turns.after(start)
        return (tree, False) if found is None else (self._tree(*found, tree.margin), True)

    def _conclusion(self, tree: DomainTree) -> Verdict:
        name, open_ = self.method.name, sum(len(domains) for domains in tree.open())
        if not open_:
            return self._verified(max(tree.margin, 0.0), tree)
        detail = f"after {self.done} domains, {open_} open"
        if not len(tree.frontier) and not self.work.late():
            return Unknown(Reason.NUMERICS, tree.worst(), name, f"{detail}, all of them linear")
        reason = Reason.TIME if self.work.late() else Reason.DOMAINS
        return Unknown(reason, tree.worst(), name, detail)

    def _verified(self, margin: float, tree: DomainTree | None) -> Verified:
        record = self.work.record
        if record is not None and self.notes is not None:
            if tree is not None and tree.by_lp:
                record.skip(1, "a leaf was closed by an LP")
            else:
                growth = None if tree is None else tree.growth
                record.activations(self.problem, self.notes, growth, self.restart.sweeps)
        return Verified(margin, self.method.name)
