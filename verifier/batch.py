"""A plan at work on questions, batch by batch.

Search fast, prove once: a bound found in the searching dtype only nominates; `Verified` comes from a second evaluation
in float64 with outward rounding, `Falsified` from a replay in another engine. What a search goes on with is proved at
once.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from verifier.attacks.attack import Attack
from verifier.attacks.sampled import FEW as FEW_SAMPLED
from verifier.attacks.sampled import Sampled
from verifier.bounding.methods import MEMORY, AlphaCrown, Crown, Method, Zonotope
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds, propagate
from verifier.bounding.stepped import stepped
from verifier.bounding.unwrapped import unwrapped
from verifier.complete.portfolio import LARGE, Portfolio
from verifier.complete.record import Recorder
from verifier.complete.search import Proved, Search, Work
from verifier.complete.trial import suited, undecided, vary
from verifier.complete.whole import WholeNumbers
from verifier.errors import InputError, UnsupportedModel
from verifier.graph.graph import Graph
from verifier.graph.passes.exact import simplified
from verifier.plan import Stage
from verifier.problem import Problem, without_last_relu, without_softmax
from verifier.regions import Box
from verifier.verdict import Falsified, Reason, Unknown, Verdict, Verified

FEW = 32  # inputs that vary, up to which zonotopes are worth a stage
BATCH = 16  # inputs that share a walk: enough to fill the machine, few enough to see progress
ATTACK = 0.15  # of the time, at most, for an attack in a plan of several stages
KEPT = 0.1  # of the memory, at most, for intervals that searches go on with
TOGETHER = 2048  # parts of one question that share a walk


@dataclass(frozen=True)
class Settings:
    """How to work. `timeout` is in seconds of work an input; `bytes` bounds the memory of coefficients.

    With `together` the questions are parts of one: `timeout` is for all of them, and one falsified ends the run.
    Proofs are about the network over the reals, and with `deployed` about the one computed in that dtype as well.
    `record` keeps them for a certificate.
    """

    plan: tuple[Stage, ...]
    timeout: float = 60.0
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    seed: int = 0
    bytes: int = MEMORY
    together: bool = False
    deployed: torch.dtype | None = None
    record: Recorder | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """`index` of the question in its batch, the verdict, and the seconds of work that it took."""

    index: int
    verdict: Verdict
    seconds: float


def run(problem: Problem, settings: Settings, note: Callable[[str], None] = lambda _: None) -> Iterator[Answer]:
    """Answer every question of `problem`, in order of decision within batches. `note` hears which stage works on what.

    With `settings.together` it ends with the first falsified question; the others are parts that need no answer then.

    Raises:
        InputError: region, property and network do not fit.
    """
    if settings.deployed is None:  # rounded, a softmax can tie where its arguments don't
        problem = without_softmax(problem)
        if settings.record is None:
            problem = without_last_relu(problem)
        problem = replace(problem, model=replace(problem.model, graph=simplified(problem.model.graph)))
    if settings.record is None:  # a checker has its own intervals
        problem = unwrapped(problem, settings.deployed)
    _check_device(settings.device)
    graph = problem.model.graph.to(settings.dtype, settings.device)
    size = _batch(graph, settings)
    for index in torch.arange(problem.batch).split(problem.batch if settings.together else size):
        yield from _Batch(problem, index, size, graph, settings, note).answers()


class _Batch:
    """The questions of one batch, their best bounds and why they are still open."""

    def __init__(
        self,
        problem: Problem,
        index: Tensor,
        size: int,
        graph: Graph,
        settings: Settings,
        note: Callable[[str], None],
    ) -> None:
        self.problem, self.open, self.size, self.graph = problem, index, size, graph
        self.settings, self.note = settings, note
        self.seconds = dict.fromkeys(index.tolist(), 0.0)
        self.unknown = {i: Unknown(Reason.LOOSE, -torch.inf, "none") for i in index.tolist()}
        self.begun = self.start = time.monotonic()  # of the batch, and of the stage
        self.generator = Generator().manual_seed(settings.seed)
        self.proved: dict[int, Proved] = {}

    def answers(self) -> Iterator[Answer]:
        for stage in self._stages():
            if not len(self.open):
                return
            if len(self.settings.plan) > 2 and not self._suits(stage):
                continue
            self.start = time.monotonic()
            if self.late():
                self._mark(Reason.TIME, f"after {self.settings.timeout:.3g} s")
                break
            self.note(f"{stage.name}: {len(self.open)} open{self._standing()}")
            share = len(self.open)
            decided = self._stage(stage)
            late = self.late()
            for i in self.open.tolist():
                self.seconds[i] += (time.monotonic() - self.start) / share
            for i, verdict in decided.items():
                yield Answer(i, verdict, self.seconds[i])
                if self.settings.together and isinstance(verdict, Falsified):
                    return
            self.open = self.open[[i not in decided for i in self.open.tolist()]]
            if late:
                self._mark(Reason.TIME, f"after {self.settings.timeout:.3g} s")
                break
        for i in self.open.tolist():
            yield Answer(i, self.unknown[i], self.seconds[i])

    def _stages(self) -> list[Stage]:
        """The plan; in a large network walks back from all neurons may take all the time, so attacks go before them."""
        plan = list(self.settings.plan)
        if undecided(self.problem.model.graph) <= LARGE:
            return plan
        walks = next((i for i, s in enumerate(plan) if isinstance(s, Crown | AlphaCrown) and s.intermediate), len(plan))
        attacks = [stage for stage in plan[walks:] if isinstance(stage, Attack)]
        return plan[:walks] + attacks + [stage for stage in plan[walks:] if stage not in attacks]

    def _standing(self) -> str:
        """How far stages have come, where one has."""
        worst = min(self.unknown[i].best for i in self.open.tolist())
        return f", worst bound {worst:.4g}" if worst > -torch.inf else ""

    def late(self) -> bool:
        """Has an open question had its time? A stage's time is shared equally by the questions that it works on."""
        if self.settings.together:
            return time.monotonic() - self.begun > self.settings.timeout
        spent = max((self.seconds[i] for i in self.open.tolist()), default=0.0)
        return spent + (time.monotonic() - self.start) / max(len(self.open), 1) > self.settings.timeout

    def _suits(self, stage: Stage) -> bool:
        """Some stages pay where few inputs vary; a plan that has more to offer skips them elsewhere. So it does with
        those that cutting inputs begins with."""
        if isinstance(stage, Zonotope | Crown) and self._tried_later():
            return False
        if not isinstance(stage, Zonotope | Sampled | WholeNumbers):
            return True
        if self.settings.record is not None and isinstance(stage, WholeNumbers):
            return False  # the checker has none
        inputs = vary(self.problem.select(self.open))
        if isinstance(stage, WholeNumbers):
            return inputs <= FEW_SAMPLED and any(stepped(self.problem.select(i)) for i in self.open.split(1)[:1])
        return inputs <= (FEW_SAMPLED if isinstance(stage, Sampled) else FEW)

    def _tried_later(self) -> bool:
        """Will a search try several bounds of the whole region?"""
        if not isinstance(self.problem.region, Box):
            return False
        searched = any(isinstance(stage, Portfolio) for stage in self.settings.plan)
        return searched and len(suited(self.problem.select(self.open))) > 1

    def _stage(self, stage: Stage) -> dict[int, Verdict]:
        """What the stage decides; where it fails for a reason that we know, the questions stay open."""
        try:
            match stage:
                case Attack():
                    return self._attack(stage)
                case Search():
                    return self._search(stage)
            return self._bound(stage)
        except UnsupportedModel as error:
            self._mark(Reason.UNSUPPORTED, str(error))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "alloc" not in str(error) and "out of memory" not in str(error):
                raise  # torch has no class of its own for a CPU that is out of memory
            self._mark(Reason.MEMORY, "try a smaller --memory")
        return {}

    def _attack(self, stage: Attack) -> dict[int, Verdict]:
        answers = stage(self.graph, self.problem.select(self.open), self.generator, self._attacked)
        return {i: a for i, a in zip(self.open.tolist(), answers, strict=True) if a is not None}

    def _attacked(self) -> bool:
        """Has an attack had its time? Where other stages follow, it leaves them most."""
        share = ATTACK if len(self.settings.plan) > 2 else 1.0
        questions = 1 if self.settings.together else max(len(self.open), 1)
        return self.late() or time.monotonic() - self.start > share * self.settings.timeout * questions

    def _search(self, search: Search) -> dict[int, Verdict]:
        """Each open question with the time that it has left, or all of them as one."""
        settings, decided = self.settings, dict[int, Verdict]()
        for index in [self.open] if settings.together else self.open.split(1):
            start = time.monotonic()
            spent = start - self.begun if settings.together else self.seconds[int(index)]
            work = Work(
                start + settings.timeout - spent,
                settings.dtype,
                settings.device,
                settings.bytes,
                seed=settings.seed,
                together=settings.together,
                deployed=settings.deployed,
                note=self.note,
                record=settings.record,
                proved=self.proved.get(int(index[0])) if len(index) == 1 else None,
            )
            kept = settings.record.count if settings.record is not None else 0
            for i, verdict in zip(index.tolist(), search(self.problem.select(index), work), strict=True):
                if isinstance(verdict, Unknown):
                    self.unknown[i] = replace(verdict, best=max(verdict.best, self.unknown[i].best))
                else:
                    decided[i] = verdict
            if settings.record is not None:
                verified = sum(isinstance(decided.get(i), Verified) for i in index.tolist())
                settings.record.skip(verified - (settings.record.count - kept), f"{search.name} writes none")
        return decided

    def _bound(self, method: Method) -> dict[int, Verdict]:
        decided: dict[int, Verdict] = {}
        for index in self.open.split(self.size):
            if not self.late():
                decided |= self._bound_few(method, index)
        return decided

    def _bound_few(self, method: Method, index: Tensor) -> dict[int, Verdict]:
        at_once = self._goes_on(method)
        hopeful = index if at_once else self._hopeful(method, index)
        if not len(hopeful):
            return {}
        notes = Notes() if self.settings.record is not None else None
        bounds = self._bounds(method, hopeful, True, notes)
        decided: dict[int, Verdict] = {}
        for i, value in zip(hopeful.tolist(), self._margins(bounds, hopeful), strict=True):
            if 0 < value < torch.inf:
                decided[i] = Verified(value, method.name)
            elif at_once and value <= 0:
                self._loose(i, value, method)
            else:
                self.unknown[i] = Unknown(Reason.TIME if self.late() else Reason.NUMERICS, value, method.name)
        if self.settings.record is not None and notes is not None:
            kept = [k for k, i in enumerate(hopeful.tolist()) if i in decided]
            self.settings.record.bounds(self.problem.select(hopeful), notes, kept)
        elif at_once and not self.late():
            self._keep(bounds, hopeful)
        return decided

    def _goes_on(self, method: Method) -> bool:
        """Do searches go on with what the method proves? Then there is no use in trying it in another dtype first, but
        on a GPU, where that takes next to no time."""
        walks = isinstance(method, Crown) and method.intermediate and self.settings.device == "cpu"
        return walks and any(isinstance(stage, Search) for stage in self.settings.plan)

    def _keep(self, bounds: Bounds, index: Tensor) -> None:
        """For the searches to come, as far as it takes little memory."""
        region, entries = self.problem.region, sum(interval.lower.numel() for interval in bounds.table.values())
        if not isinstance(region, Box) or 16 * entries > KEPT * self.settings.bytes:
            return
        for k, i in enumerate(index.tolist()):
            table = {name: interval[k : k + 1] for name, interval in bounds.table.items()}
            self.proved[i] = Proved(self.problem.model.graph, region.select(index[k : k + 1]), table)

    def _hopeful(self, method: Method, index: Tensor) -> Tensor:
        """Those for which a proof may be had, as far as a search tells."""
        margin = self._margins(self._bounds(method, index, False), index)
        for i, value in zip(index.tolist(), margin, strict=True):
            self._loose(i, value, method)
        return index[[value > 0 for value in margin]]

    def _loose(self, i: int, value: float, method: Method) -> None:
        if value > self.unknown[i].best:
            self.unknown[i] = Unknown(Reason.LOOSE, value, method.name)

    def _margins(self, bounds: Bounds, index: Tensor) -> list[float]:
        """Lower bounds of the margin for the questions at `index`."""
        assert bounds.rows is not None
        return self.problem.select(index).specification.margin(bounds.rows).tolist()

    def _bounds(self, method: Method, index: Tensor, proof: bool, notes: Notes | None = None) -> Bounds:
        problem, settings = self.problem.select(index), self.settings
        options = Options(
            settings.dtype,
            settings.device,
            settings.bytes,
            proof,
            stop=self.late,
            deployed=settings.deployed,
            notes=notes,
        )
        return propagate(problem.model.graph, problem.region, method, problem.specification, options)

    def _mark(self, reason: Reason, detail: str) -> None:
        for i in self.open.tolist():
            if self.unknown[i].reason is Reason.TIME and reason is Reason.TIME and self.unknown[i].detail:
                continue  # a search has said how far it came
            self.unknown[i] = replace(self.unknown[i], reason=reason, detail=detail)


def _check_device(name: str) -> None:
    """Torch itself tells of a missing device by an assertion."""
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:
        raise InputError(f"device {name!r} can't be used: {str(error).splitlines()[0]}") from error


def _batch(graph: Graph, settings: Settings) -> int:
    """As many inputs as leave room for 64 rows of coefficients of the largest node each. On a CPU one by one where the
    walks of one fill a batch: zonotopes can go before them then."""
    if settings.device == "cpu" and undecided(graph) > LARGE:
        return 1
    largest = max(node.size for node in graph.nodes)
    most = TOGETHER if settings.together else BATCH
    return int(max(1, min(most, settings.bytes // (64 * 64 * largest))))
