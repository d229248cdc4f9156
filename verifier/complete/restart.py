"""Where branch and bound goes on for long, it starts again within the tighter intervals of `sharpen.py`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from verifier.complete.branching.branching import Branching
from verifier.complete.domains import Domains
from verifier.complete.growth import LIMIT, Sweep
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Work
from verifier.complete.sharpen import Sharpening
from verifier.problem import Problem

GOOD, WORTH = 0.15, 0.05  # of what the roots' bounds lack: less is not worth another sweep, or starting again


@dataclass(eq=False)
class Restart:
    """Sweeps over the intervals of one question, as long as they go well. `roots` bounds its clauses `(K,)` anew;
    `sweeps` are the ones that a certificate needs, where one is `recorded`."""

    problem: Problem
    branching: Branching
    roots: Callable[[Relaxed, Tensor], Domains]
    recorded: bool
    sweeps: list[Sweep] = field(default_factory=list)
    method: Sharpening = field(default_factory=Sharpening)

    def __call__(self, relaxed: Relaxed, first: Domains, seconds: float, work: Work) -> tuple[Relaxed, Domains] | None:
        """The question and its roots `first` after sweeps of up to `seconds` each, if these are worth it."""
        gained, total, sweeps = 1.0, 0.0, list(self.sweeps)
        while relaxed.sites and gained > GOOD and not work.late():
            sweep = Sweep(LIMIT - sum(known.bytes for known in sweeps)) if self.recorded else None
            sweeps += [sweep] if sweep is not None else []
            relaxed, before = self._swept(relaxed, first, seconds, work, sweep), first
            first = self.roots(relaxed, first.clause)
            gained = float((1 - first.bound / before.bound.clamp(max=-1e-30)).clamp(0, 1).mean())
            total += (1 - total) * gained
            work.note(f"intervals sharpened, roots lack {gained:.0%} less")
            if bool((first.bound > 0).all()):
                break
        if total <= WORTH:
            return None
        self.sweeps = sweeps
        return relaxed, first

    def _swept(self, relaxed: Relaxed, first: Domains, seconds: float, work: Work, sweep: Sweep | None) -> Relaxed:
        """The question within tighter intervals."""
        work = replace(work, deadline=time.monotonic() + min(seconds, work.seconds / 2))
        scores = self.branching.scores(relaxed, relaxed.view(first)).sum(0).cpu()
        table = self.method(relaxed, scores, work, sweep)
        self.method = replace(self.method, rounds=2 * self.method.rounds)  # as many would find the same again
        return Relaxed(self.problem, table, work.dtype, work.deployed, work.device)
