"""A query's answer: sat with an assignment that was checked on the assertions, unsat with every box proved."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from verifier.attacks.pgd import Pgd
from verifier.batch import Settings, run
from verifier.formats.selfcheck import check_against
from verifier.formats.vnnlib.query import Query
from verifier.problem import Problem
from verifier.queries.assignment import Assignment, by_entry, complete, holds
from verifier.queries.boxes import clipped
from verifier.queries.networks import Joint
from verifier.queries.question import Question, Questions, questions
from verifier.regions import Box, trial_points
from verifier.verdict import Falsified, Reason, Trust, Unknown, Verified

Word = Literal["sat", "unsat", "unknown", "timed-out"]
DEPLOYED = {"float32": torch.float32, "float64": torch.float64}
SIZES = (1.0, 100.0, 10_000.0)  # how far from zero, or from their other end, inputs without an end are looked for
EXACT = "the assignment was replayed and checked exactly"
BESIDE = "save that an input whose range holds no float32 number took the one next to it"
CHECKED = 4  # points on which our graph is compared with the file's own engine
QUICK = 2  # stages of a plan that every batch sees before any of them sees the others


@dataclass(frozen=True, eq=False)
class Answer:
    """`assignment` belongs to `sat`. `bound` is the best lower bound of how far the query is from being satisfiable, in
    units of its comparisons: proved if `unsat`, and not negative then. `reason` is for a person."""

    word: Word
    assignment: Assignment | None
    bound: float
    reason: str
    seconds: float


def answer(
    query: Query,
    networks: Mapping[str, str | Path],
    settings: Settings,
    note: Callable[[str], None] = lambda _: None,
) -> Answer:
    """Decide `query`; `networks` are the files of its networks, `settings.timeout` is for everything together.

    Raises:
        InputError: files do not fit the query, or it declares a type for which we are not sound.
        UnsupportedModel, InvalidModel: of a file.
    """
    return _Run(query, networks, settings, note).answer()


class _Run:
    def __init__(
        self,
        query: Query,
        networks: Mapping[str, str | Path],
        settings: Settings,
        note: Callable[[str], None],
    ) -> None:
        self.query, self.networks, self.note = query, networks, note
        self.start = time.monotonic()
        declared = {v.dtype for network in query.networks for v in network.inputs}
        deployed = torch.float32 if "float32" in declared else DEPLOYED.get(next(iter(declared)))
        self.settings = replace(settings, together=True, deployed=deployed)
        self.refused = ""  # why a witness was none of the query
        self.bound, self.unknown = torch.inf, Unknown(Reason.LOOSE, -torch.inf, "none")
        self.trust = Trust.RECHECKED  # the least of all proofs

    def left(self) -> float:
        return self.start + self.settings.timeout - time.monotonic()

    def answer(self) -> Answer:
        asked = questions(self.query, self.networks)
        for note in dict.fromkeys(n for batch in asked.batches for n in batch.problem.model.notes):
            self.note(note)
        for batch in {id(batch.problem.model): batch for batch in asked.batches}.values():
            _compare(batch)
        for batch in asked.batches:
            if batch.opened.any() and (found := self._near(asked, batch)) is not None:
                return self._said("sat", found)
        return self._decide(asked)

    def _near(self, asked: Questions, batch: Question) -> Assignment | None:
        """Look for a witness where inputs without bounds are of a sensible size."""
        for size in SIZES:
            problem = replace(batch.problem, region=clipped(_box(batch.problem), batch.opened, size))
            found, _ = self._stages(asked, replace(batch, problem=problem), (Pgd(steps=20, restarts=4),))
            if found is not None:
                return found
        return None

    def _decide(self, asked: Questions) -> Answer:
        """Quick stages for every batch first, so that a witness in the last one does not wait for a search."""
        plan, open_ = self.settings.plan, list(asked.batches)
        quick = plan[:QUICK] if len(open_) > 1 else ()
        for stages in filter(None, (quick, plan[len(quick) :])):
            still = []
            for batch in open_:
                found, left = self._stages(asked, batch, stages)
                if found is not None:
                    return self._said("sat", found)
                if left:
                    still.append(batch.select(left))
            open_ = still
        if not open_ and not any(batch.real for batch in asked.batches):
            return self._said("unsat", None)
        if any(batch.real for batch in open_ or asked.batches):
            self.refused = self.refused or "an input of real numbers has no bound: a witness was sought, no proof"
        late = self.unknown.reason is Reason.TIME or self.left() < 0
        return self._said("timed-out" if late else "unknown", None)

    def _stages(self, asked: Questions, batch: Question, stages: tuple) -> tuple[Assignment | None, list[int]]:
        """An assignment that satisfies the query, or the questions of the batch that stay open."""
        if self.left() <= 0:
            self.unknown = replace(self.unknown, reason=Reason.TIME)
            return None, list(range(batch.problem.batch))
        settings = replace(self.settings, plan=stages, timeout=self.left())
        if batch.opened.any():
            settings = replace(settings, dtype=torch.float64)  # float32 overflows on the way
        open_ = set(range(batch.problem.batch))
        for done in run(batch.problem, settings, self.note):
            match done.verdict:
                case Verified(margin=margin, trust=trust):
                    self.bound = min(self.bound, margin)
                    self.trust = self.trust if trust is Trust.RECHECKED else trust
                    open_.discard(done.index)
                case Falsified() as found:
                    meant = by_entry(batch.joint, batch.meant[done.index])
                    if (assignment := self._checked(asked, batch.joint, found, meant)) is not None:
                        return assignment, []
                case Unknown() as unknown:
                    self.unknown = unknown
        return None, sorted(open_)

    def _checked(self, asked: Questions, joint: Joint, found: Falsified, meant: Mapping) -> Assignment | None:
        assignment = complete(self.query, joint, self.networks, found.witness)
        if holds(self.query, assignment, meant):
            return assignment
        self.refused = "an input satisfies the query as the file is written, but not as the runtime computes it"
        if not asked.complete:
            self.refused = "the query's disjunctions multiply to too many cases; only a part of them was searched"
        return None

    def _said(self, word: Word, assignment: Assignment | None) -> Answer:
        seconds = time.monotonic() - self.start
        if word == "sat":
            assert assignment is not None
            reason = EXACT if holds(self.query, assignment) else f"{EXACT}, {BESIDE}"
            return Answer(word, assignment, -torch.inf, reason, seconds)
        if word == "unsat":
            return Answer(word, None, self.bound, self.trust.value, seconds)
        reason = ". ".join(text for text in (self.refused, self.unknown.reason.value, self.unknown.detail) if text)
        return Answer(word, None, self.unknown.best, reason, seconds)


def _box(problem: Problem) -> Box:
    assert isinstance(problem.region, Box)
    return problem.region


def _compare(batch: Question) -> None:
    """Raise where our graph and the file's own engine differ on points of the first boxes."""
    boxes = clipped(_box(batch.problem), batch.opened, 1.0)
    check_against(batch.problem.model, trial_points(boxes, CHECKED).numpy())
