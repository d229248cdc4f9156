"""Branch and bound over activations: domains are bounded in batches, cut where it promises most, and proved as they
close."""

import time
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from verifier.attacks.attack import replay
from verifier.attacks.pgd import Pgd
from verifier.bounding.methods import Method
from verifier.bounding.notes import Notes
from verifier.bounding.propagate import Options, propagate
from verifier.complete.branching.branching import Branching
from verifier.complete.branching.fsb import Fsb
from verifier.complete.curved import bends, suited
from verifier.complete.domains import Domains, roots
from verifier.complete.frontier import Frontier
from verifier.complete.growth import Activations, halves
from verifier.complete.pace import Pace, Rest, Turns
from verifier.complete.refine import Refinement
from verifier.complete.relaxed import Relaxed, View
from verifier.complete.restart import Restart
from verifier.complete.search import OneByOne, Work
from verifier.problem import Problem
from verifier.regions import Box
from verifier.verdict import Falsified, Reason, Unknown, Verdict, Verified

LAST = 60  # steps for a leaf
START = 16  # domains of the first round
ROOT = 0.35  # of the time, at most, goes into the slopes of the root
STEPS, DEEPEST, RESTARTS = 200, 1600, 8  # of attacks beside the search, each twice as deep as the one before
PATIENCE = 1.0  # seconds before the first of them, and before intervals are sharpened
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

    def begin(self, problem: Problem, work: Work) -> "Tree":
        """A run about one question that can be interrupted."""
        return Tree(self, problem, work)


class Tree:
    """One run: the domains still open, and what is known of the question."""

    def __init__(self, method: Bab, problem: Problem, work: Work) -> None:
        self.method, self.problem, self.work = method, problem, work
        self.last = work.deadline  # of all turns
        self.graph = problem.model.graph.to(torch.float32, work.device)
        self.found: Falsified | None = None
        self.margin, self.done = torch.inf, 0
        self.begun = False
        self.stuck: Domains | None = None
        self.by_lp = False  # was a leaf closed by an LP? A certificate has no place for that yet
        self.notes: Notes | None = None
        self.growth: Activations | None = None
        self.refinement: Refinement | None = None
        self.restart = Restart(problem, method.branching, self._roots, work.record is not None)
        self.generator, self.steps = torch.Generator().manual_seed(work.seed), STEPS

    def until(self, deadline: float, sharpens: bool) -> Verdict:
        """Go on, and say how far it came. Bounds of the whole region may take longer: all else rests on them."""
        if not self.begun:
            decided = self._root(min(deadline, time.monotonic() + ROOT * self.work.seconds))
            if decided is not None:
                return decided
        self.work = replace(self.work, deadline=deadline)
        if self.stuck is not None:  # time may have been all that a leaf lacked
            self.frontier.push(self.stuck)
            self.stuck = None
        return self._search(sharpens and not bends(self.problem.model.graph))

    def _root(self, until: float) -> Verdict | None:
        """The verdict, if bounds of the whole region decide, or time was too short for them; else search can begin."""
        self.notes = Notes() if self.work.record is not None else None
        problem = self.problem
        known = self.work.proved.of(problem) if self.work.proved is not None else {}
        options = Options(
            self.work.dtype,
            "cpu",
            self.work.bytes,
            True,
            stop=self.work.late,
            hurry=lambda: time.monotonic() > until,
            deployed=self.work.deployed,
            notes=self.notes,
            known=known,
            settled=bool(known),
        )
        bounds = propagate(
            problem.model.graph,
            problem.region,
            self.method.root or suited(problem.model.graph),
            problem.specification,
            options,
        )
        assert bounds.rows is not None
        clauses = problem.specification.clauses(bounds.rows)[:, 0]
        self.work.note(f"{self.method.name}: root {float(clauses.min()):.4g}")
        if bool((clauses > 0).all()):
            return self._verified(float(clauses.min()))
        self.margin = float(torch.where(clauses > 0, clauses, torch.inf).min())
        if self.work.late():
            return Unknown(Reason.TIME, float(clauses.min()), self.method.name, "at the root")
        self.relaxed = Relaxed(problem, bounds.table, self.work.dtype, self.work.deployed, self.work.device)
        self._begin(self.relaxed, self._roots(self.relaxed, (~(clauses > 0)).nonzero().flatten()))
        self.begun = True
        return None

    def _verified(self, margin: float) -> Verified:
        if self.work.record is not None and self.notes is not None:
            if self.by_lp:
                self.work.record.skip(1, "a leaf was closed by an LP")
            else:
                self.work.record.activations(self.problem, self.notes, self.growth, self.restart.sweeps)
        return Verified(margin, self.method.name)

    def _search(self, sharpens: bool) -> Verdict:
        pace, rest = Pace(START, min(self.method.batch, self.relaxed.at_once(self.work.bytes))), Rest(PATIENCE)
        turns = Turns(PATIENCE, WAIT * self.work.seconds, TURN * self.work.seconds)
        while len(self.frontier) and not self.work.late() and self.done < self.work.domains and self.found is None:
            start, frontier = time.monotonic(), self.frontier
            taken = frontier.pop(min(pace.size, self.work.domains - self.done))
            frontier.push(self._close(self._branch(taken)))
            self.done += len(taken)
            pace.after(len(taken), time.monotonic() - start)
            if rest.over():
                self._descend(rest)
            self.work.note(
                f"{self.method.name}: {self.done} domains, {len(frontier)} open, worst {frontier.worst():.4g}"
            )
            due = self.done >= LEAST and turns.due(ripe=self.done >= RIPE * self.relaxed.count)
            if sharpens and due and len(frontier) and self.found is None:
                sharpens = self._restart(turns)
        return self.found or self._conclusion(self.frontier)

    def _roots(self, relaxed: Relaxed, clauses: Tensor) -> Domains:
        """A domain for each clause, without cuts, bounded."""
        count = relaxed.search.rows.shape[1]
        weight = torch.full((len(clauses), count), 1 / count)
        known = relaxed.count if isinstance(self.problem.region, Box) else 0
        return relaxed.optimised(roots(clauses, weight, relaxed.start, known), self.method.first, self.work.late)

    def _begin(self, relaxed: Relaxed, first: Domains) -> None:
        """Search from these roots."""
        self.relaxed, self.first, self.stuck, self.by_lp = relaxed, first, None, False
        self.growth = Activations(relaxed, first.clause) if self.notes is not None else None
        refines = relaxed.sites and isinstance(self.problem.region, Box)
        self.refinement = Refinement(relaxed, self.work.bytes, self.last) if refines else None
        self.frontier = Frontier(self._close(first))

    def _restart(self, turns: Turns) -> bool:
        """Search again within tighter intervals, if those make the roots' bounds better by enough. Did they?"""
        start, first = time.monotonic(), self.first
        if self.notes is None:  # else the tree that grows anew has to prove what is closed already, too
            first = first[torch.isin(first.clause, torch.cat([part.clause for part in self._open()]))]
        found = self.restart(self.relaxed, first, turns.seconds, self.work)
        turns.after(start)
        if found is not None:
            self._begin(*found)
        return found is not None

    def _open(self) -> list[Domains]:
        return self.frontier.batches + ([] if self.stuck is None else [self.stuck])

    def _conclusion(self, frontier: Frontier[Domains]) -> Verdict:
        name, stuck = self.method.name, 0 if self.stuck is None else len(self.stuck)
        if not len(frontier) and self.stuck is None:
            return self._verified(max(self.margin, 0.0))
        best = min(frontier.worst(), float("inf") if self.stuck is None else float(self.stuck.bound.min()))
        detail = f"after {self.done} domains, {len(frontier) + stuck} open"
        if not len(frontier) and not self.work.late():
            return Unknown(Reason.NUMERICS, best, name, f"{detail}, all of them linear")
        return Unknown(Reason.TIME if self.work.late() else Reason.DOMAINS, best, name, detail)

    def _branch(self, taken: Domains) -> Domains:
        """The children of the domains, bounded."""
        view = self.relaxed.view(taken)
        self._attack(view)
        if self.refinement is not None:
            taken = self._refined(self.refinement, taken, view)
            if not len(taken):
                return taken
            view = self.relaxed.view(taken)
        if not self.relaxed.sites:
            place, point = torch.full((len(taken),), -1), torch.zeros(len(taken), dtype=torch.float64)
        else:
            place, point = (x.cpu() for x in self.method.branching.choose(self.relaxed, view))
        leaf = place < 0
        for i in leaf.nonzero().flatten():
            self._leaf(taken[i.reshape(1)])
        taken, place, point = taken[~leaf], place[~leaf], point[~leaf]
        return self._optimised(halves(taken, place, point, self.growth), self.method.steps)

    def _refined(self, refinement: Refinement, taken: Domains, view: View) -> Domains:
        """What is left of the domains, those near to their end within tighter intervals."""
        lacks = refinement.lacks(view)
        near = (lacks < refinement.near).nonzero().flatten()
        if not len(near):
            return taken
        found = refinement(taken[near], self.method.branching.scores(self.relaxed, view).cpu()[near])
        tight, empty = found.domains, found.empty
        if self.growth is not None:
            self.growth.refine(found)
        if bool(empty.any()):
            self.margin = min(self.margin, 0.0)
        after = self.relaxed.view(tight).bound.cpu()
        refinement.learn(lacks[near], view.bound.cpu()[near], after)
        tight = replace(tight, bound=torch.maximum(tight.bound, after.double()))
        far = torch.ones(len(taken), dtype=torch.bool)
        far[near] = False
        return self._close(tight[~empty]).joined(taken[far])

    def _leaf(self, leaf: Domains) -> None:
        """Nothing is left to cut: more steps, or an LP, decide."""
        if self.work.late():
            self._stay(leaf)
            return
        leaf = self._optimised(leaf, LAST)
        if self.found is not None or not len(self._close(leaf)):
            return
        from verifier.complete.leaves import decided  # scipy and the LP solver take a while to load

        bound = decided(self.relaxed, leaf, self.work, self.method.name)
        if isinstance(bound, Falsified):
            self.found = bound
        elif bound > 0:
            self.margin, self.by_lp = min(self.margin, 0.0 if bool(leaf.refined) else bound), True
        else:
            self._stay(leaf)

    def _stay(self, leaf: Domains) -> None:
        self.stuck = leaf if self.stuck is None else self.stuck.joined(leaf)

    def _optimised(self, domains: Domains, steps: int) -> Domains:
        if not len(domains):
            return domains
        return self.relaxed.optimised(domains, steps, self.work.late)

    def _close(self, domains: Domains) -> Domains:
        """Without those that are proved."""
        hopeful = domains.bound > 0
        if not bool(hopeful.any()):
            return domains
        index = hopeful.nonzero().flatten()
        proof = self.relaxed.proved(domains[index])
        done = proof > 0
        if self.growth is not None:
            self.growth.close(domains[index[done]])
        if bool(done.any()):
            margin = torch.where(domains[index].refined, 0.0, proof)
            self.margin = min(self.margin, float(margin[done].min()))
        keep = torch.ones(len(domains), dtype=torch.bool)
        keep[index[done]] = False
        return domains[keep]

    def _descend(self, rest: Rest) -> None:
        """An attack on the whole region: where a counterexample is well hidden it takes many steps."""
        start = time.monotonic()
        attack = Pgd(steps=self.steps, restarts=RESTARTS, bytes=self.work.bytes // 2)
        self.found = self.found or attack(self.graph, self.problem, self.generator, self.work.late)[0]
        self.steps = min(2 * self.steps, DEEPEST)
        rest.after(start)

    def _attack(self, view: View) -> None:
        """Try the inputs where the linear bounds are least."""
        slope = view.seen.get(self.graph.input.name)
        if slope is None:
            return
        count = len(view.domains)
        problem = self.problem.select(torch.zeros(count, dtype=torch.long))
        x = problem.region.project(problem.region.minimiser(slope[0].cpu().double()).float())
        with torch.no_grad():
            y = self.graph(x.to(self.work.device)).cpu().double()
        margin = problem.specification.margin(problem.specification.values(y))
        hits = (margin <= 0).nonzero().flatten()[:8]
        for answer in replay(problem.select(hits), x[hits], self.method.name) if len(hits) else []:
            self.found = self.found or answer
