"""Leaves of a search, in which every activation is linear: an LP decides them exactly (Ehlers 2017; Katz et al. 2017).

The solver is not believed: its multipliers are evaluated in outward-rounded arithmetic, its point is replayed.
"""

import numpy as np

from verifier.bounding.methods import Crown
from verifier.complete.domains import Domains
from verifier.complete.exact.highs import LpRelaxation
from verifier.complete.exact.program import Program
from verifier.complete.exact.question import Question
from verifier.complete.exact.tree import proven
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Work
from verifier.errors import UnsupportedModel
from verifier.verdict import Falsified


def decided(relaxed: Relaxed, leaf: Domains, work: Work, name: str) -> float | Falsified:
    """A proven lower bound of the greatest row of the clause of a single leaf, infinite where no input lies in it, or a
    counterexample. Proofs about a deployed network need the rounding terms that an LP lacks: there is no bound then."""
    if work.deployed is not None:
        return -np.inf
    question = Question(relaxed.problem, Crown(), work, name)
    question.table = {**relaxed.proving.state.table, **relaxed.proving.intervals(leaf)}
    try:
        program = _program(relaxed, leaf, question)
    except (UnsupportedModel, TimeoutError):
        return -np.inf
    answer = LpRelaxation(program).solve(work.seconds)
    bound = proven(program, answer)
    return bound if bound > 0 else question.refute(answer.point) or bound


def _program(relaxed: Relaxed, leaf: Domains, question: Question) -> Program:
    """The least value of the clause's greatest row, within the leaf."""
    encoder = question.encoder().run()
    for site in relaxed.sites:  # a cut is a bound of a column
        mask = np.zeros(relaxed.proving.state.table[site.name].lower[0].numel(), dtype=bool)
        inside = (leaf.place[0] >= site.span.start) & (leaf.place[0] < site.span.stop)
        mask[site.index[leaf.place[0][inside] - site.first].numpy()] = True
        if mask.any():
            encoder.columns(site.name, mask)
    return question.program(encoder, question.rows_of(int(leaf.clause[0])))
