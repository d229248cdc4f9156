"""What a specification means, spelled out without it; and that no bound says otherwise (catalogue 6, 8, 15)."""

import torch
from torch import Tensor

from laws.cases import Case, inside, points
from verifier.bounding.methods import Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.properties import Specification


def spelled_out(specification: Specification, y: Tensor) -> list[bool]:
    """Does the property hold at outputs `y (B, *out)`? Clause by clause and row by row."""
    answers = []
    for b in range(len(y)):
        holds = dict.fromkeys(specification.clause, False)
        for s, clause in enumerate(specification.clause):
            value = float((specification.rows[s, b] * y[b]).sum()) + float(specification.offset[s, b])
            holds[clause] = holds[clause] or value > 0
        answers.append(all(holds.values()))
    return answers


def law_meaning(case: Case, seed: int = 0) -> None:
    """A margin is positive where the property holds, and nowhere else."""
    for x in points(case, seed, 4):
        y = case.graph(x)
        margin = case.specification.margin(case.specification.values(y))
        clear = margin.abs() > 1e-9
        told = torch.tensor(spelled_out(case.specification, y))
        assert bool(((margin > 0) == told)[clear].all()), "the margin's sign is not the property's answer"


def law_no_counterexample(case: Case, method: Method, options: Options, seed: int = 0, count: int = 8) -> int:
    """Where a proof says yes, no point says no. Returns how many questions were proved."""
    rows = propagate(case.graph, case.region, method, case.specification, options).rows
    assert rows is not None
    proved = case.specification.margin(rows) > 0
    for x in points(case, seed, count):
        fine = torch.tensor(spelled_out(case.specification, case.graph(x)))
        assert bool((fine | ~proved | ~inside(case, x)).all()), f"{method.name}: proved, and a point breaks it"
    return int(proved.sum())


def law_nothing_proved(case: Case, method: Method, options: Options) -> None:
    """For networks whose numbers are broken, and for ties, every answer is no (catalogue 1, 8)."""
    rows = propagate(case.graph, case.region, method, case.specification, options).rows
    assert rows is not None
    margin = case.specification.margin(rows)
    assert not bool(((margin > 0) & (margin < torch.inf)).any()), f"{method.name}: proved what can't be known"
