"""Questions one after the other, as parts of one or each on its own."""

from dataclasses import dataclass, field, replace

import numpy as np
from laws.searches import Puzzle, work

from verifier.complete.search import OneByOne, Work
from verifier.problem import Problem
from verifier.verdict import Falsified, Reason, Unknown, Verdict, Verified

BROKEN = Falsified(np.zeros(3, dtype=np.float32), np.zeros(1), 0.0, "scripted", "none")
PROVED = Verified(1.0, "scripted")
ASKED = Puzzle((3,), ("linear", "relu"), 0, 1.0, "box", 0.1, (0,), (), 0.1, batch=4).problem()


@dataclass(frozen=True)
class Scripted(OneByOne):
    """The second question is falsified, the others are proved."""

    asked: list[Problem] = field(default_factory=list)
    name = "scripted"

    def answer(self, problem: Problem, work: Work) -> Verdict:
        self.asked.append(problem)
        return BROKEN if len(self.asked) == 2 else PROVED


def test_each_question_is_asked() -> None:
    search = Scripted()
    assert search(ASKED, work(1.0)) == [PROVED, BROKEN, PROVED, PROVED]
    for i, part in enumerate(search.asked):
        assert bool((part.region.box().lower == ASKED.region.box().lower[i]).all())


def test_a_falsified_part_is_the_last_one_asked() -> None:
    search = Scripted()
    first, second, *rest = search(ASKED, replace(work(1.0), together=True))
    assert [first, second] == [PROVED, BROKEN]
    assert [v.reason for v in rest if isinstance(v, Unknown)] == [Reason.TIME, Reason.TIME]
    assert len(search.asked) == 2
