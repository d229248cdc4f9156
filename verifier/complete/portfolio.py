"""Which search suits a question: inputs are cut where few vary, activations elsewhere."""

import time
from dataclasses import dataclass, field, replace

import torch

from verifier.complete.bab import Bab, bends
from verifier.complete.input_split import InputSplit
from verifier.complete.search import Search, Work
from verifier.problem import Problem
from verifier.regions import Box
from verifier.verdict import Falsified, Reason, Unknown, Verdict

FEW = 16  # inputs that vary, up to which cutting them may end
SOME = 64  # the same where activations bend, which cutting them does not make straight
SHARE = 0.7  # of the time, for the first search where a second one follows
MOST = 0.9  # the same where activations bend


@dataclass(frozen=True)
class Portfolio(Search):
    """Input splitting for questions in which few inputs vary, and what it leaves open, or all else, by activations."""

    inputs: InputSplit = field(default_factory=InputSplit)
    activations: Bab = field(default_factory=Bab)
    name = "bab"

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        few = self._few(problem)
        if len(few):
            share = MOST if bends(problem.model.graph) else SHARE
            first = replace(work, deadline=time.monotonic() + share * work.seconds)
            verdicts |= dict(zip(few.tolist(), self.inputs(problem.select(few), first), strict=True))
        done = work.together and any(isinstance(v, Falsified) for v in verdicts.values())
        rest = [i for i in range(problem.batch) if isinstance(verdicts.get(i), Unknown | None) and not done]
        if rest:
            index = torch.tensor(rest)
            for i, verdict in zip(rest, self.activations(problem.select(index), work), strict=True):
                verdicts[i] = better(verdicts.get(i), verdict)
        skipped = Unknown(Reason.TIME, -torch.inf, self.name, "another part was falsified")
        return [verdicts.get(i, skipped) for i in range(problem.batch)]

    @staticmethod
    def _few(problem: Problem) -> torch.Tensor:
        """The questions in which few inputs vary."""
        if not isinstance(problem.region, Box):
            return torch.empty(0, dtype=torch.long)
        box, most = problem.region.box(), SOME if bends(problem.model.graph) else FEW
        return (box.varies.flatten(1).sum(1) <= most).nonzero().flatten()


def better(first: Verdict | None, second: Verdict) -> Verdict:
    """An answer, or of two unknowns the one with the greater bound."""
    if isinstance(first, Unknown) and isinstance(second, Unknown):
        return first if first.best > second.best else second
    return second
