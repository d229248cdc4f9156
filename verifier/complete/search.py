"""The contract of a search: a stage of a plan that may run until its budget ends, and answers with verdicts."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from verifier.bounding.methods import MEMORY
from verifier.bounding.options import Options
from verifier.complete.record import Recorder
from verifier.graph.graph import Graph
from verifier.interval import Interval
from verifier.problem import Problem
from verifier.regions import Box
from verifier.verdict import Falsified, Reason, Unknown, Verdict


@dataclass(frozen=True, eq=False)
class Proved:
    """Intervals `(1, *)` of all nodes of a graph over a box, as tight as CROWN makes them."""

    graph: Graph
    region: Box
    table: Mapping[str, Interval]

    def of(self, problem: Problem) -> Mapping[str, Interval]:
        """The intervals, if the question is about the same graph and box: of another they prove nothing."""
        if problem.model.graph is not self.graph or not isinstance(problem.region, Box):
            return {}
        mine, asked = self.region.box(), problem.region.box()
        same = torch.equal(mine.lower, asked.lower) and torch.equal(mine.upper, asked.upper)
        return self.table if same else {}


@dataclass(frozen=True)
class Work:
    """What a search may use. `deadline` is a value of `time.monotonic()`; every loop asks `late()`.

    `bytes` bounds the memory of its tensors, `domains` the number of subproblems. `note` hears of progress. With
    `together` the questions are parts of one: a single falsified one ends the search. A proof holds for the network
    as computed in `deployed`, too, where that is given. `record` keeps what was proved, for a certificate; `proved` is
    known of a single question already.
    """

    deadline: float
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    bytes: int = MEMORY
    domains: int = 2**31
    seed: int = 0
    together: bool = False
    deployed: torch.dtype | None = None
    note: Callable[[str], None] = lambda _: None
    record: Recorder | None = None
    proved: Proved | None = None

    def proof(self, **more: Any) -> Options:
        """How bounds are computed that count as proof; with `more` of the options."""
        return Options(self.dtype, "cpu", self.bytes, proof=True, stop=self.late, deployed=self.deployed, **more)

    def late(self) -> bool:
        return time.monotonic() > self.deadline

    @property
    def seconds(self) -> float:
        """What is left, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


class Search(ABC):
    """A method that a user can name. Doubt, lack of time or a failed solver is `Unknown`."""

    name: str

    @abstractmethod
    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        """One verdict for each of the problem's `B` questions."""


class OneByOne(Search):
    """A search that has its questions one after the other."""

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for i in range(problem.batch):
            if work.together and verdicts and isinstance(verdicts[-1], Falsified):
                break
            verdicts.append(self.answer(problem.select(torch.tensor([i])), self.share(work, problem.batch - i)))
        return verdicts + [skipped(self.name)] * (problem.batch - len(verdicts))

    def share(self, work: Work, left: int) -> Work:
        """What one of `left` questions may use: all of it, unless a search says otherwise."""
        return work

    @abstractmethod
    def answer(self, problem: Problem, work: Work) -> Verdict:
        """The verdict for a single question, `B = 1`."""


def skipped(name: str) -> Unknown:
    """The verdict for a part that needs no answer any more."""
    return Unknown(Reason.TIME, -torch.inf, name, "another part was falsified")
