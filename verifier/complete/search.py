"""The contract of a search: a stage of a plan that may run until its budget ends, and answers with verdicts."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch

from verifier.complete.record import Recorder
from verifier.problem import Problem
from verifier.verdict import Verdict


@dataclass(frozen=True)
class Work:
    """What a search may use. `deadline` is a value of `time.monotonic()`; every loop asks `late()`.

    `bytes` bounds the memory of its tensors, `domains` the number of subproblems. `note` hears of progress. With
    `together` the questions are parts of one: a single falsified one ends the search. A proof holds for the network
    as computed in `deployed`, too, where that is given. `record` keeps what was proved, for a certificate.
    """

    deadline: float
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    bytes: int = 2**30
    domains: int = 2**31
    seed: int = 0
    together: bool = False
    deployed: torch.dtype | None = None
    note: Callable[[str], None] = lambda _: None
    record: Recorder | None = None

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
