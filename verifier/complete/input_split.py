"""Branch and bound over the input: boxes are bounded, clipped by what the bounds prove, and cut, until all are proved.

The way to go where few inputs vary (Wang et al. 2018, ReluVal; Bunel et al. 2020). Every bound on the way is a proof in
float64 already, so a box that leaves the search is proved.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.bounding.methods import Method
from verifier.bounding.notes import Notes
from verifier.bounding.propagate import Bounds, propagate
from verifier.complete.boxes import Boxes, whole
from verifier.complete.clip import clipped
from verifier.complete.curved import bends
from verifier.complete.cutting import axis, narrow, weights
from verifier.complete.frontier import Frontier
from verifier.complete.growth import Inputs
from verifier.complete.narrow import Narrow, narrowed
from verifier.complete.pace import Cooldown, Pace
from verifier.complete.probes import BoxProbes
from verifier.complete.search import Search, Work
from verifier.complete.trial import suited, undecided, winner
from verifier.graph.graph import Graph
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.regions import Box
from verifier.regions.box import Inner
from verifier.verdict import Reason, Unknown, Verdict, Verified

COPIES = 16  # numbers of each entry of the network that a box takes while it is bounded
KEPT = 4096  # entries of a box's intervals, at most
START = 64  # boxes of the first round
MOST_CUTS = 6  # of a box in a round


@dataclass(frozen=True)
class InputSplit(Search):
    """Boxes are bounded by `bound` (None: what suits the network), up to `batch` at a time, and cut along the input
    that moves the open rows most."""

    bound: Method | None = None
    batch: int = 2048
    name = "input-split"

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        if not isinstance(problem.region, Box):
            return [Unknown(Reason.UNSUPPORTED, -torch.inf, self.name, "only boxes are cut")] * problem.batch
        run = self.begin(problem, work)
        verdicts = run.until(work.deadline)
        run.write([i for i, verdict in enumerate(verdicts) if isinstance(verdict, Verified)])
        return verdicts

    def begin(self, problem: Problem, work: Work) -> "InputSearch":
        """A run over boxes that can be interrupted."""
        plain = work.deployed is not None  # about the network as it is computed
        return InputSearch(self, problem, work, None if plain else narrowed(problem))


class InputSearch:
    """One run: the boxes still open, and what is known of each question."""

    def __init__(self, method: InputSplit, asked: Problem, work: Work, narrow: Narrow | None) -> None:
        problem = asked if narrow is None else narrow.problem
        self.method, self.asked, self.problem, self.work, self.narrow = method, asked, problem, work, narrow
        self.clause = torch.tensor(problem.specification.clause)
        self.frontier = Frontier(whole(problem.region.box(), int(self.clause.max()) + 1))
        self.methods = (method.bound,) if method.bound else suited(problem)
        self.kept = kept(problem.model.graph)
        self.grounded = not bends(problem.model.graph)
        self.growth = Inputs(problem.batch) if work.record is not None else None
        self.probes = BoxProbes(asked, narrow, work, method.name)
        self.margin = torch.full((problem.batch,), torch.inf, dtype=torch.float64)  # the least that was proved
        self.stuck = torch.zeros(problem.batch, dtype=torch.bool)
        self.stuck_bound = torch.full((problem.batch,), torch.inf, dtype=torch.float64)
        self.cooldown = Cooldown()
        self.done, self.pace = 0, Pace(START, min(method.batch, limit(problem, work)))

    def until(self, deadline: float) -> list[Verdict]:
        """Go on, and say how far it came."""
        self.work = replace(self.work, deadline=deadline)
        with torch.no_grad():
            self._run()
        return self.verdicts()

    def left(self) -> float:
        """The share of the regions' volume that is open."""
        box, total = self.problem.region.box(), 0.0
        for boxes in self.frontier.batches:
            whole = flat(box.upper - box.lower, 1)[boxes.owner]
            total += float(torch.where(whole > 0, flat(boxes.width, 1) / whole, 1.0).prod(1).sum())
        return total / self.problem.batch

    def drop(self, questions: Sequence[int]) -> None:
        """Others have decided these."""
        gone = torch.zeros(self.problem.batch, dtype=torch.bool)
        gone[list(questions)] = True
        self.frontier.keep(lambda boxes: ~gone[boxes.owner])

    def write(self, proved: list[int]) -> None:
        """For a certificate, where one is wanted."""
        if self.work.record is not None and self.growth is not None:
            self.work.record.inputs(self.asked, self.growth, proved)

    def _run(self) -> None:
        while len(self.frontier) and not self.work.late() and self.done < self.work.domains:
            if self.probes.found and (self.work.together or len(self.probes.found) == self.problem.batch):
                return
            start = time.monotonic()
            taken = self.frontier.pop(min(self.pace.size, self.work.domains - self.done))
            left = self._round(taken)
            if left is None:  # the time was up: bounds are not worth their name
                self.frontier.push(taken)
                return
            self.done += len(taken)
            self.pace.after(len(taken), time.monotonic() - start)
            self.frontier.push(self._cut(*left))
            open_, worst = len(self.frontier), self.frontier.worst()
            self.work.note(f"{self.method.name}: {self.done} boxes, {open_} open, worst {worst:.4g}")

    def verdicts(self) -> list[Verdict]:
        open_, best = [0] * self.problem.batch, self.stuck_bound.clone()
        for boxes in self.frontier.batches:
            best = best.scatter_reduce(0, boxes.owner, boxes.bound, "amin")
            for i in boxes.owner.tolist():
                open_[i] += 1
        found = self.probes.found
        return [found.get(i) or self._verdict(i, open_[i], float(best[i])) for i in range(self.problem.batch)]

    def _verdict(self, i: int, open_: int, best: float) -> Verdict:
        if not open_ and not self.stuck[i]:
            return Verified(float(self.margin[i].clamp(max=torch.finfo(torch.float64).max)), self.method.name)
        if open_:
            reason = Reason.TIME if self.work.late() else Reason.DOMAINS
            return Unknown(reason, best, self.method.name, f"after {self.done} boxes, {open_} open")
        return Unknown(Reason.NUMERICS, best, self.method.name, "boxes became too small to be cut")

    def _round(self, boxes: Boxes) -> tuple[Boxes, Tensor | None] | None:
        """What is left of the boxes, and the weights of their inputs; None where the time was up before they were
        bounded."""
        problem = self._part(boxes)
        bounds, notes = self._bounds(problem, boxes)
        if self.work.late():
            return None
        boxes = replace(boxes, known={name: bounds.table[name] for name in self.kept})
        assert bounds.rows is not None
        if self.growth is not None:
            self.growth.bound(boxes, notes if self.narrow is None else self.narrow.noted(notes))
        boxes = self._close(boxes, problem, bounds.rows)
        keep = boxes.open.any(1).nonzero().flatten()
        boxes, rows = boxes[keep], bounds.rows[:, keep]
        form, weight, tried = bounds.form, None, narrow(boxes)
        if form is not None and len(keep):
            base, coefficient = form.base[:, keep], form.coefficient[:, keep]
            clause = form.clause(self.clause)
            self._attack(boxes, base, coefficient, clause)
            before, boxes = boxes, clipped(boxes, base, coefficient, clause, once=self.growth is not None)
            less = flat(boxes.width < before.width, 1).any(1) | (boxes.open != before.open).any(1)
            self._proved(boxes.owner[less], 0.0)  # by how much, clipping can't say
            some = boxes.open.any(1) & ~boxes.empty
            boxes, tried, weight = boxes[some], tried[some], weights(boxes, self.clause, rows, coefficient)[some]
        self._stuck(boxes[tried])
        kept = ~tried & torch.tensor([i not in self.probes.found for i in boxes.owner.tolist()], dtype=torch.bool)
        return boxes[kept], None if weight is None else weight[kept]

    def _part(self, boxes: Boxes) -> Problem:
        whole = self.problem.select(boxes.owner)
        outer = Interval(boxes.lower, boxes.upper)
        return Problem(whole.model, Box(outer, Inner(boxes.lower, boxes.upper)), whole.specification)

    def _bounds(self, problem: Problem, boxes: Boxes) -> tuple[Bounds, Notes]:
        """By the best method, which stays the only one if all were tried in time, and what a certificate says of it."""
        recorded = self.growth is not None
        options = self.work.proof(known=boxes.known, bands=True, grounded=self.grounded)
        open_ = boxes.open.any(0) | recorded  # a checker reads all rows
        asked, mine = problem.specification.only(open_), open_[self.clause]
        taken = {method: Notes() for method in self.methods}

        def bound(method: Method) -> Bounds:
            noted = replace(options, notes=taken[method] if recorded else None)
            return propagate(problem.model.graph, problem.region, method, asked, noted).among(mine)

        best, bounds = winner(self.methods, bound, problem)
        if not self.work.late():
            self.methods = (best,)
        return bounds, taken[best]

    def _close(self, boxes: Boxes, problem: Problem, rows: Tensor) -> Boxes:
        """Without the clauses that are proved, and with the boxes' bounds."""
        values = problem.specification.clauses(rows).T  # (N, K)
        open_ = boxes.open & ~(values > 0)
        self._proved(boxes.owner, torch.where(boxes.open & (values > 0), values, torch.inf).amin(1))
        bound = torch.where(open_, values, torch.inf).amin(1)
        return replace(boxes, open=open_, bound=bound)

    def _proved(self, owner: Tensor, margin: Tensor | float) -> None:
        values = torch.as_tensor(margin, dtype=torch.float64).expand(len(owner))
        self.margin = self.margin.scatter_reduce(0, owner, values, "amin")

    def _attack(self, boxes: Boxes, base: Tensor, coefficient: Tensor, clause: Tensor) -> None:
        """Where the worst rows are least by their linear bounds; and now and then from within the worst boxes."""
        worst = torch.where(boxes.open.T[clause], base, torch.inf).argmin(0)
        self.probes.corners(boxes, coefficient[worst, torch.arange(len(boxes))])
        start = time.monotonic()
        if self.cooldown.over():
            self.probes.descend(boxes, self.work.late)
            self.cooldown.after(start)

    def _cut(self, boxes: Boxes, weight: Tensor | None) -> Boxes:
        """Cut along the input with the greatest effect, once at least, and again while the boxes are few."""
        for again in range(MOST_CUTS):
            if not len(boxes) or (again and 2 * len(boxes) > self.pace.size):
                return boxes
            boxes = self._halved(boxes, axis(boxes, weight))
            weight = None if weight is None else weight.repeat(2, 1)
        return boxes

    def _halved(self, boxes: Boxes, at: Tensor) -> Boxes:
        halves = boxes.halves(at)
        if self.growth is None:
            return halves
        middle = flat(halves.upper, 1)[: len(boxes)].gather(1, at.unsqueeze(1))[:, 0]
        cut = (at, middle) if self.narrow is None else self.narrow.cut(at, middle)
        return replace(halves, node=self.growth.cut(boxes.node, *cut))

    def _stuck(self, boxes: Boxes) -> None:
        """These were too narrow to be cut when they were bounded. Others that clipping left that narrow are bounded
        again: a bound that lacks next to nothing leaves next to nothing."""
        self.stuck[boxes.owner] = True
        self.stuck_bound = self.stuck_bound.scatter_reduce(0, boxes.owner, boxes.bound, "amin")


def kept(graph: Graph) -> tuple[str, ...]:
    """The nodes whose intervals a box passes on to its parts: those that are bounded by walks, unless they are many."""
    names = {n.inputs[0] for n in graph.nodes if n.nonlinear}
    return tuple(names) if undecided(graph) <= KEPT else ()


def limit(problem: Problem, work: Work) -> int:
    """How many boxes fit into memory at once."""
    entries = sum(node.size for node in problem.model.graph.nodes)
    return max(1, work.bytes // (8 * COPIES * entries))
