"""A plan: stages that run in turn on the questions still open. It is a value that can be printed and pasted back.

Search fast, prove once: a bound found in the searching dtype only nominates; `Verified` comes from a second evaluation
in float64 with outward rounding, `Falsified` from a replay in another engine.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from verifier.attacks.attack import Attack
from verifier.attacks.pgd import Pgd
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.propagate import Options, propagate
from verifier.errors import InputError, UnsupportedModel
from verifier.graph.graph import Graph
from verifier.problem import Problem, without_softmax
from verifier.verdict import Reason, Unknown, Verdict, Verified

FEW = 32  # inputs that vary, up to which zonotopes are worth a stage
BATCH = 16  # inputs that share a walk: enough to fill the machine, few enough to see progress


@dataclass(frozen=True)
class Settings:
    """How to work. `timeout` is in seconds of work an input; `bytes` bounds the memory of coefficients."""

    plan: tuple[Attack | Method, ...]
    timeout: float = 60.0
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    seed: int = 0
    bytes: int = 2**30


@dataclass(frozen=True, eq=False)
class Answer:
    """`index` of the question in its batch, the verdict, and the seconds of work that it took."""

    index: int
    verdict: Verdict
    seconds: float


PLANS: dict[str, tuple[Attack | Method, ...]] = {
    "auto": (
        Pgd(steps=20, restarts=2),
        Crown(intermediate=False),
        Zonotope(),
        Crown(),
        AlphaCrown(),
        Pgd(steps=100, restarts=10),
    ),
    "interval": (Pgd(), Ibp()),
    "crown-ibp": (Pgd(), Crown(intermediate=False)),
    "crown": (Pgd(), Crown()),
    "alpha-crown": (Pgd(), AlphaCrown()),
    "zonotope": (Pgd(), Zonotope()),
    "attack": (Pgd(steps=100, restarts=10),),
}


def plan(name: str) -> tuple[Attack | Method, ...]:
    """The stages that `--method NAME` stands for.

    Raises:
        InputError: no such method.
    """
    if name not in PLANS:
        raise InputError(f"no method is called {name!r}; there are {', '.join(PLANS)}")
    return PLANS[name]


def run(problem: Problem, settings: Settings, note: Callable[[str], None] = lambda _: None) -> Iterator[Answer]:
    """Answer every question of `problem`, in order of decision within batches. `note` hears which stage works on what.

    Raises:
        InputError: region, property and network do not fit.
    """
    problem = without_softmax(problem)
    _check_device(settings.device)
    graph = problem.model.graph.to(settings.dtype, settings.device)
    size = _batch(graph, settings)
    for first in range(0, problem.batch, size):
        index = torch.arange(first, min(first + size, problem.batch))
        yield from _Batch(problem, index, graph, settings, note).answers()


class _Batch:
    """The questions of one batch, their best bounds and why they are still open."""

    def __init__(
        self, problem: Problem, index: Tensor, graph: Graph, settings: Settings, note: Callable[[str], None]
    ) -> None:
        self.problem, self.open, self.graph, self.settings, self.note = problem, index, graph, settings, note
        self.seconds = dict.fromkeys(index.tolist(), 0.0)
        self.unknown = {i: Unknown(Reason.LOOSE, -torch.inf, "none") for i in index.tolist()}
        self.start = time.monotonic()  # of the stage
        self.generator = Generator().manual_seed(settings.seed)

    def answers(self) -> Iterator[Answer]:
        for stage in self.settings.plan:
            if not len(self.open):
                return
            if len(self.settings.plan) > 2 and not self._suits(stage):
                continue
            self.start = time.monotonic()
            if self.late():
                self._mark(Reason.TIME, f"after {self.settings.timeout:g} s")
                break
            self.note(f"{stage.name}: {len(self.open)} open")
            share = len(self.open)
            decided = self._stage(stage)
            late = self.late()
            for i in self.open.tolist():
                self.seconds[i] += (time.monotonic() - self.start) / share
            for i, verdict in decided.items():
                yield Answer(i, verdict, self.seconds[i])
            self.open = self.open[[i not in decided for i in self.open.tolist()]]
            if late:
                self._mark(Reason.TIME, f"after {self.settings.timeout:g} s")
                break
        for i in self.open.tolist():
            yield Answer(i, self.unknown[i], self.seconds[i])

    def late(self) -> bool:
        """Has an open question had its time? A stage's time is shared equally by the questions that it works on."""
        spent = max((self.seconds[i] for i in self.open.tolist()), default=0.0)
        return spent + (time.monotonic() - self.start) / max(len(self.open), 1) > self.settings.timeout

    def _suits(self, stage: Attack | Method) -> bool:
        """Zonotopes pay where few inputs vary; a plan that has more to offer skips them elsewhere."""
        if not isinstance(stage, Zonotope):
            return True
        box = self.problem.region.select(self.open).box()
        return int((box.lower < box.upper).flatten(1).sum(1).max()) <= FEW

    def _stage(self, stage: Attack | Method) -> dict[int, Verdict]:
        """What the stage decides; where it fails for a reason that we know, the questions stay open."""
        try:
            return self._attack(stage) if isinstance(stage, Attack) else self._bound(stage)
        except UnsupportedModel as error:
            self._mark(Reason.UNSUPPORTED, str(error))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "alloc" not in str(error) and "out of memory" not in str(error):
                raise  # torch has no class of its own for a CPU that is out of memory
            self._mark(Reason.MEMORY, "try a smaller --memory")
        return {}

    def _attack(self, stage: Attack) -> dict[int, Verdict]:
        answers = stage(self.graph, self.problem.select(self.open), self.generator, self.late)
        return {i: a for i, a in zip(self.open.tolist(), answers, strict=True) if a is not None}

    def _bound(self, method: Method) -> dict[int, Verdict]:
        margin = self._margin(method, self.open, proof=False)
        for i, value in zip(self.open.tolist(), margin.tolist(), strict=True):
            if value > self.unknown[i].best:
                self.unknown[i] = Unknown(Reason.LOOSE, value, method.name)
        hopeful = self.open[(margin > 0).cpu()]
        if not len(hopeful):
            return {}
        proved = self._margin(method, hopeful, proof=True)
        decided: dict[int, Verdict] = {}
        for i, value in zip(hopeful.tolist(), proved.tolist(), strict=True):
            if 0 < value < torch.inf:
                decided[i] = Verified(value, method.name)
            else:
                self.unknown[i] = Unknown(Reason.TIME if self.late() else Reason.NUMERICS, value, method.name)
        return decided

    def _margin(self, method: Method, index: Tensor, proof: bool) -> Tensor:
        """Lower bounds of the margin for the questions at `index`: `(N,)`."""
        problem, settings = self.problem.select(index), self.settings
        options = Options(settings.dtype, settings.device, settings.bytes, proof, stop=self.late)
        bounds = propagate(problem.model.graph, problem.region, method, problem.specification, options)
        assert bounds.rows is not None
        return problem.specification.margin(bounds.rows)

    def _mark(self, reason: Reason, detail: str) -> None:
        for i in self.open.tolist():
            self.unknown[i] = replace(self.unknown[i], reason=reason, detail=detail)


def _check_device(name: str) -> None:
    """Torch itself tells of a missing device by an assertion."""
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:
        raise InputError(f"device {name!r} can't be used: {str(error).splitlines()[0]}") from error


def _batch(graph: Graph, settings: Settings) -> int:
    """As many inputs as leave room for 64 rows of coefficients of the largest node each."""
    largest = max(torch.Size(node.shape).numel() for node in graph.nodes)
    return int(max(1, min(BATCH, settings.bytes // (64 * 64 * largest))))
