"""Searches attack as they go: inputs where a bound is least, and now and then a descent."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from verifier.attacks.attack import replay, replay_least
from verifier.attacks.pgd import Pgd
from verifier.complete.boxes import Boxes
from verifier.complete.narrow import Narrow
from verifier.complete.relaxed import View
from verifier.complete.search import Work
from verifier.interval import Interval
from verifier.problem import Problem
from verifier.regions import Box
from verifier.regions.box import Inner
from verifier.verdict import Falsified

STEPS, DEEPEST, RESTARTS = 200, 1600, 8  # of descents into the whole region, each twice as deep as the one before
MINIMA, CORNERS = 8, 16  # that are replayed at once
ATTACKED, SHORT = 32, 12  # boxes in which a descent starts, and its steps


class RegionProbes:
    """Of one question's region. `found` is a counterexample, once there is one."""

    def __init__(self, problem: Problem, work: Work, name: str) -> None:
        self.problem, self.name, self.device, self.bytes = problem, name, work.device, work.bytes
        self.graph = problem.model.graph.to(torch.float32, work.device)
        self.generator, self.steps = torch.Generator().manual_seed(work.seed), STEPS
        self.found: Falsified | None = None

    def minima(self, view: View) -> None:
        """Try the inputs where the linear bounds of domains are least."""
        slope = view.seen.get(self.graph.input.name)
        if slope is None:
            return
        problem = self.problem.select(torch.zeros(len(view.domains), dtype=torch.long))
        x = problem.region.project(problem.region.minimiser(slope[0].cpu().double()).float())
        with torch.no_grad():
            y = self.graph(x.to(self.device)).cpu().double()
        for _, answer in replay_least(problem, x, y, self.name, MINIMA):
            self.found = self.found or answer

    def descend(self, stop: Callable[[], bool]) -> None:
        """An attack on all of it: where a counterexample is well hidden it takes many steps."""
        attack = Pgd(steps=self.steps, restarts=RESTARTS, bytes=self.bytes // 2)
        self.found = self.found or attack(self.graph, self.problem, self.generator, stop)[0]
        self.steps = min(2 * self.steps, DEEPEST)


class BoxProbes:
    """Of boxes of the questions `asked`, or of those in few inputs that `narrow` makes of them. `found` are
    counterexamples."""

    def __init__(self, asked: Problem, narrow: Narrow | None, work: Work, name: str) -> None:
        self.asked, self.narrow, self.name = asked, narrow, name
        self.graph = asked.model.graph.to(torch.float32)
        self.generator = torch.Generator().manual_seed(work.seed)
        self.found: dict[int, Falsified] = {}

    def corners(self, boxes: Boxes, slope: Tensor) -> None:
        """Try the corner where a linear form with `slope (N, *)` is least in each box, and the centre."""
        corner = torch.where(slope > 0, boxes.lower, boxes.upper)
        asked = self.asked.select(boxes.owner)
        for place in (corner, (boxes.lower + boxes.upper) / 2):
            x = asked.region.project(self._inputs(place).float())
            for i, answer in replay_least(asked, x, self.graph(x).double(), self.name, CORNERS):
                self.found.setdefault(int(boxes.owner[i]), answer)

    def descend(self, boxes: Boxes, stop: Callable[[], bool]) -> None:
        """An attack within the worst boxes."""
        worst = boxes[boxes.bound.argsort()[:ATTACKED]]
        asked = self.asked.select(worst.owner)
        whole = asked.region.box()
        lower = torch.minimum(torch.maximum(self._inputs(worst.lower), whole.lower), whole.upper)
        upper = torch.minimum(torch.maximum(self._inputs(worst.upper), lower), whole.upper)
        part = replace(asked, region=Box(Interval(lower, upper), Inner(lower, upper)))
        with torch.enable_grad():
            points = Pgd(steps=SHORT, restarts=1).propose(self.graph, part, self.generator, stop)
        answers = replay(asked, asked.region.project(points.detach().float()), self.name)
        for i, answer in zip(worst.owner.tolist(), answers, strict=True):
            if answer is not None:
                self.found.setdefault(i, answer)

    def _inputs(self, x: Tensor) -> Tensor:
        """Points of the boxes as inputs of the network."""
        return x if self.narrow is None else self.narrow.inputs(x, self.asked.region.shape)
