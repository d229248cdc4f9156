"""Which search suits a question: inputs are cut where few vary, activations elsewhere, and each has its turns; small
programs have one, too."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch

from verifier.complete.bab import ActivationSearch, Bab
from verifier.complete.curved import bends
from verifier.complete.input_split import InputSplit
from verifier.complete.search import Search, Work, skipped
from verifier.complete.trial import suited, undecided
from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.regions import Box
from verifier.verdict import Falsified, Unknown, Verdict, Verified

FEW_INPUTS = 16  # inputs that vary, up to which cutting them may end
FEW_IF_CURVED = 64  # the same where activations bend, which cutting them does not make straight
INPUTS_TIME = 0.7  # of the time, for cutting inputs
INPUTS_TIME_IF_CURVED = 0.9  # the same where activations bend
TURNS, TURN_TIME = 2, 0.35  # of activations that came closer and inputs, each of the time that is left
STILL_OPEN = 0.5  # of the region after the first turn: activations may do better
NEURONS = 1000  # of a network with a single layer of them, up to which LPs are small
BRIEF, LPS = (0.1, 2.0), (0.15, 15.0)  # of the time, and seconds at most: before a tree of LPs, and for that
LARGE = 30000  # neurons: walks back from each would take all the time, and cutting inputs can do without
FIRST = ((0.1, 10.0), (0.2, 15.0))  # of the time, and seconds at most: the first turns of inputs and of activations


Turn = Callable[[dict[int, Verdict], float], dict[int, Verdict]]


@dataclass(frozen=True)
class Portfolio(Search):
    """Input splitting for questions in which few inputs vary, and what it leaves open, or all else, by activations.

    Where inputs get nowhere in a first short turn, activations have one before they go on, and more if they get closer:
    of tllverifybench's N=64_1 they lack 14 then, and inputs 104,286.
    """

    inputs: InputSplit = field(default_factory=InputSplit)
    activations: Bab = field(default_factory=Bab)
    name = "bab"

    def __call__(self, problem: Problem, work: Work) -> list[Verdict]:
        few, verdicts = self._few(problem), dict[int, Verdict]()
        turns = _Inputs(self, problem, work, few) if few else _Turns(self, problem, work)
        for search, deadline in turns.schedule():
            verdicts |= search(verdicts, deadline)
            turns.best = min((v.best for v in verdicts.values() if isinstance(v, Unknown)), default=torch.inf)
            if turns.over(verdicts):
                break
        turns.end()
        return [verdicts.get(i, skipped(self.name)) for i in range(problem.batch)]

    @staticmethod
    def _few(problem: Problem) -> list[int]:
        """The questions in which few inputs vary."""
        if not isinstance(problem.region, Box):
            return []
        box, most = problem.region.box(), FEW_IF_CURVED if bends(problem.model.graph) else FEW_INPUTS
        return (flat(box.varies, 1).sum(1) <= most).nonzero().flatten().tolist()


class _Turns:
    """The searches of one call: what is open goes from one to the other."""

    def __init__(self, method: Portfolio, problem: Problem, work: Work) -> None:
        self.method, self.problem, self.work = method, problem, work
        self.best = -torch.inf  # the least bound of what is open, after the last turn
        self.begun: dict[int, ActivationSearch] = {}

    def schedule(self) -> Iterator[tuple[Turn, float]]:
        """Whose turn it is, and when it ends. Where LPs are small, and exact but for what is cut, a few of them may be
        worth thousands of domains: 3-SAT as a network is such a case."""
        work, now = self.work, time.monotonic()
        if work.record is None and work.deployed is None and shallow(self.problem.model.graph):
            first, second = (min(share * work.seconds, most) for share, most in (BRIEF, LPS))
            yield self.briefly, now + first
            yield self.programs, time.monotonic() + second
        yield self.activations, work.deadline

    def end(self) -> None:
        """All turns are over."""

    def open(self, verdicts: dict[int, Verdict]) -> list[int]:
        return [i for i in range(self.problem.batch) if isinstance(verdicts.get(i), Unknown | None)]

    def over(self, verdicts: dict[int, Verdict]) -> bool:
        falsified = any(isinstance(verdict, Falsified) for verdict in verdicts.values())
        return not self.open(verdicts) or (self.work.together and falsified)

    def activations(self, verdicts: dict[int, Verdict], deadline: float, sharpens: bool = True) -> dict[int, Verdict]:
        """They go on where they were, one question after the other."""
        answers, open_ = dict[int, Verdict](), self.open(verdicts)
        for count, i in enumerate(open_):
            if self.over(verdicts | answers) or time.monotonic() > deadline:
                break
            left = len(open_) - count
            search = self.begun.pop(i, None) or self._begin(i, left)
            now = time.monotonic()
            answer = search.until(now + max(0.0, deadline - now) / left, sharpens)
            if isinstance(answer, Unknown) and deadline < self.work.deadline:
                self.begun[i] = search  # for the next turn
            answers[i] = better(verdicts.get(i), answer)
        return answers

    def _begin(self, i: int, left: int) -> ActivationSearch:
        """For the first of `left` questions."""
        work = self.method.activations.share(self.work, left)
        return self.method.activations.begin(self.problem.select(torch.tensor([i])), work)

    def briefly(self, verdicts: dict[int, Verdict], deadline: float) -> dict[int, Verdict]:
        """Activations, without what pays only if they go on for long."""
        return self.activations(verdicts, deadline, sharpens=False)

    def programs(self, verdicts: dict[int, Verdict], deadline: float) -> dict[int, Verdict]:
        from verifier.complete.exact.search import LpTree  # solvers take a while to load

        open_ = self.open(verdicts)
        answers = LpTree()(self.problem.select(torch.tensor(open_)), replace(self.work, deadline=deadline))
        return {i: better(verdicts.get(i), answer) for i, answer in zip(open_, answers, strict=True)}


class _Inputs(_Turns):
    """Those where in some questions, `few`, few inputs vary."""

    def __init__(self, method: Portfolio, problem: Problem, work: Work, few: list[int]) -> None:
        super().__init__(method, problem, work)
        self.few, self.run = few, method.inputs.begin(problem.select(torch.tensor(few)), work)
        forwards = len(suited(problem.select(torch.tensor(few)))) > 1
        self.large = forwards and undecided(problem.model.graph) > LARGE
        self.proved: set[int] = set()  # by cutting inputs

    def schedule(self) -> Iterator[tuple[Turn, float]]:
        """Whose turn it is, and when it ends. Inputs go on without a break where that closes most of the region, and
        where functions bend, as cutting activations seldom helps there. With activations that came closer they take
        turns."""
        now, seconds = time.monotonic(), self.work.seconds
        curved = bends(self.problem.model.graph)
        end = now + (INPUTS_TIME_IF_CURVED if curved else INPUTS_TIME) * seconds
        if self.large:
            end = self.work.deadline
        elif not curved:
            first, second = (min(share * seconds, most) for share, most in FIRST)
            yield self.inputs, now + first
            if self.run.left() > STILL_OPEN:
                before = self.best
                yield self.briefly, time.monotonic() + second
                if self.best > before:
                    for turn in (self.activations, self.inputs) * TURNS:
                        yield turn, time.monotonic() + TURN_TIME * self.work.seconds
                    end = self.work.deadline
        yield self.inputs, end
        yield self.activations, self.work.deadline

    def end(self) -> None:
        self.run.write([k for k, i in enumerate(self.few) if i in self.proved])

    def inputs(self, verdicts: dict[int, Verdict], deadline: float) -> dict[int, Verdict]:
        open_ = set(self.open(verdicts))
        self.run.drop([k for k, i in enumerate(self.few) if i not in open_])
        answers = dict(zip(self.few, self.run.until(deadline), strict=True))
        answers = {i: answer for i, answer in answers.items() if i in open_}
        self.proved |= {i for i, answer in answers.items() if isinstance(answer, Verified)}
        return {i: better(verdicts.get(i), answer) for i, answer in answers.items()}


def shallow(graph: Graph) -> bool:
    """Are there few neurons, all of them kinks of linear functions of the input?"""
    bent = [node for node in graph.nodes if node.nonlinear]
    behind = {node.name for kink in bent for node in graph.until(kink.inputs[0]).nodes}
    neurons = sum(node.size for node in bent)
    return neurons <= NEURONS and not bends(graph) and behind.isdisjoint(node.name for node in bent)


def better(first: Verdict | None, second: Verdict) -> Verdict:
    """An answer, or of two unknowns the one with the greater bound."""
    if isinstance(first, Unknown) and isinstance(second, Unknown):
        return first if first.best > second.best else second
    return second
