"""Branch and bound over whole numbers: for inputs that the network reads through staircases only.

Boxes of whole numbers are bounded by proofs in float64 and cut between two neighbours, down to single points.
"""

import time
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from verifier.attacks.attack import replay
from verifier.bounding.methods import Crown, Method
from verifier.bounding.propagate import propagate
from verifier.bounding.stepped import Stepped, stepped
from verifier.complete.boxes import Boxes, whole
from verifier.complete.frontier import Frontier
from verifier.complete.input_split import limit
from verifier.complete.pace import Pace
from verifier.complete.search import OneByOne, Work
from verifier.interval import Interval
from verifier.numerics import flat, shaped
from verifier.problem import Problem
from verifier.regions import Box
from verifier.regions.box import Inner
from verifier.verdict import Falsified, Reason, Unknown, Verdict, Verified

START = 16  # boxes of the first round


@dataclass(frozen=True)
class WholeNumbers(OneByOne):
    """Boxes are bounded by `bound`, up to `batch` at a time; points that stay open once more by `last`."""

    bound: Method = field(default_factory=lambda: Crown(intermediate=False))
    last: Method = field(default_factory=Crown)
    batch: int = 1024
    name = "whole-numbers"

    def answer(self, problem: Problem, work: Work) -> Verdict:
        question = stepped(problem)
        if question is None or work.record is not None:  # no certificate has a rule for it
            detail = "only where inputs that vary are read by staircases, and nothing is recorded"
            return Unknown(Reason.UNSUPPORTED, -torch.inf, self.name, detail)
        with torch.no_grad():
            return _Run(self, problem, question, work).verdict()


class _Run:
    """One question."""

    def __init__(self, method: WholeNumbers, asked: Problem, question: Stepped, work: Work) -> None:
        self.method, self.asked, self.question, self.work = method, asked, question, work
        self.box = question.problem.region.box().to(torch.float64)
        ends = [flat(end, 1)[:, question.index] for end in (self.box.lower, self.box.upper)]
        clauses = max(question.problem.specification.clause) + 1
        self.frontier = Frontier(whole(Interval(*ends), clauses))
        self.found: Falsified | None = None
        self.margin, self.done, self.stuck = torch.inf, 0, torch.inf

    def verdict(self) -> Verdict:
        pace = Pace(START, min(self.method.batch, limit(self.question.problem, self.work)))
        while len(self.frontier) and not self.work.late() and self.done < self.work.domains:
            start = time.monotonic()
            taken = self.frontier.pop(pace.size)
            left = self._round(taken)
            if self.found is not None:
                return self.found
            if left is None:
                self.frontier.push(taken)
                break
            self.done += len(taken)
            self.frontier.push(left)
            pace.after(len(taken), time.monotonic() - start)
            self.work.note(f"{self.method.name}: {self.done} boxes, {len(self.frontier)} open")
        if len(self.frontier):
            reason, best = Reason.TIME if self.work.late() else Reason.DOMAINS, min(self.stuck, self.frontier.worst())
            return Unknown(reason, best, self.method.name, f"after {self.done} boxes, {len(self.frontier)} open")
        if self.stuck < torch.inf:
            return Unknown(Reason.NUMERICS, self.stuck, self.method.name, "a single point could not be decided")
        return Verified(min(self.margin, torch.finfo(torch.float64).max), self.method.name)

    def _round(self, boxes: Boxes) -> Boxes | None:
        """What is left of the boxes, cut; None where the time was up before they were bounded."""
        boxes_left = self._closed(boxes, self.method.bound)
        if boxes_left is None:
            return None
        self._try(boxes_left)
        point = (boxes_left.width == 0).all(1)
        if self.found is None and bool(point.any()):
            undecided = self._closed(boxes_left[point], self.method.last)
            if undecided is None:
                return None
            if len(undecided):
                self.stuck = min(self.stuck, float(undecided.bound.min()))
        return halves(boxes_left[~point])

    def _closed(self, boxes: Boxes, bound: Method) -> Boxes | None:
        """The boxes that are not proved, with their bounds."""
        work, question = self.work, self.question.problem.select(torch.zeros(len(boxes), dtype=torch.long))
        lower, upper = self._inputs(boxes.lower, self.box.lower), self._inputs(boxes.upper, self.box.upper)
        region = Box(Interval(lower, upper), Inner(lower, upper))
        bounds = propagate(question.model.graph, region, bound, question.specification, work.proof())
        if work.late():
            return None
        assert bounds.rows is not None
        margin = question.specification.margin(bounds.rows)
        proved = margin > 0
        self.margin = min(self.margin, float(torch.where(proved, margin, torch.inf).min()))
        return replace(boxes, bound=margin)[~proved]

    def _try(self, boxes: Boxes) -> None:
        """Run the centres."""
        if not len(boxes):
            return
        asked = self.asked.select(torch.zeros(len(boxes), dtype=torch.long))
        middle = self._inputs(((boxes.lower + boxes.upper) / 2).floor(), self.box.center)
        answers = replay(asked, asked.region.project(middle.float()), self.method.name)
        self.found = next((answer for answer in answers if answer is not None), None)

    def _inputs(self, x: Tensor, other: Tensor) -> Tensor:
        """Whole numbers `(N, k)` as inputs `(N, *in)`, with the rest of `other (1, *in)`."""
        full = flat(other, 1).repeat(len(x), 1)
        full[:, self.question.index] = x
        return shaped(full, 1, self.asked.region.shape)


def halves(boxes: Boxes) -> Boxes:
    """Each box cut between two whole numbers in the middle of its widest side."""
    if not len(boxes):
        return boxes
    at = boxes.width.argmax(1, keepdim=True)
    middle = (boxes.lower.gather(1, at) / 2 + boxes.upper.gather(1, at) / 2).floor()
    left = replace(boxes, upper=boxes.upper.scatter(1, at, middle))
    return left.joined(replace(boxes, lower=boxes.lower.scatter(1, at, middle + 1)))
