"""What tests of the exact backend share: encoded cases, programs of their rows, and points."""

import numpy as np
import torch
from hypothesis import assume
from laws.cases import Case, points
from laws.enumeration import TooMany, minimum
from laws.strategies import Recipe

from verifier.bounding.methods import Crown, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.exact.encode import Encoder
from verifier.complete.exact.program import Program
from verifier.complete.exact.tighten import Tightening
from verifier.complete.search import Work
from verifier.graph.graph import Graph
from verifier.model import Model
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import Specification


def encoded(case: Case, method: Method | None = None, tighten: bool = False) -> Encoder:
    """The first question's network over its region."""
    table = propagate(case.graph, case.region, method or Crown(), None, Options(proof=True)).table
    encoder = Encoder(case.graph, case.region, dict(table))
    if tighten:
        encoder.tighten = Tightening().of(Work(np.inf))
    return encoder.run()


def rows(case: Case, index: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients `(k, n)` and offsets `(k,)`."""
    return flat(case.specification.rows[index, 0], 1).numpy(), case.specification.offset[index, 0].numpy()


def program(case: Case, encoder: Encoder, index: list[int]) -> Program:
    """The least value of the greatest row."""
    matrix, offset = rows(case, index)
    return encoder.minimum(np.concatenate([offset[:, None], matrix], axis=1))


def one_row(case: Case, encoder: Encoder, row: int = 0) -> Program:
    return program(case, encoder, [row])


def least_at_points(case: Case, seed: int, row: int = 0) -> float:
    """The least value of a row at many points of the region."""
    return min(float(case.specification.values(case.graph(x))[row, 0]) for x in points(case, seed))


def of_clause(case: Case, clause: int) -> list[int]:
    return [i for i, c in enumerate(case.specification.clause) if c == clause]


def least_rows(case: Case, seed: int) -> torch.Tensor:
    """`(S,)`: the least value of every row at many points."""
    return torch.stack([case.specification.values(case.graph(x))[:, 0] for x in points(case, seed)]).amin(0)


class Own:
    """The graph itself as an evaluator, in float64."""

    name = "graph"

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.graph(torch.from_numpy(x).double()).numpy()


def problem(case: Case) -> Problem:
    return Problem(Model(case.graph, Own(case.graph), "random"), case.region, case.specification)


def margin(case: Case) -> float:
    """The least margin of the first question, by brute force: the least clause."""
    box = case.region.box()
    ends = box.lower[0].reshape(-1).numpy(), box.upper[0].reshape(-1).numpy()
    clauses = sorted(set(case.specification.clause))
    try:
        return min(minimum(case.graph, *ends, *rows(case, of_clause(case, c))) for c in clauses)
    except TooMany:
        assume(False)
        raise


def small(seed: int = 0, layers: tuple[str, ...] = ("linear", "relu", "linear", "relu")) -> Case:
    return Recipe((3,), layers, seed, 1.0, "linf", 1, (0, 1, 2, 3)).case(0.4)


def open_case() -> Case:
    """A question that bounds leave open and that is false."""
    case = small()
    offset = case.specification.offset - margin(case) - 0.5
    spec = Specification(case.specification.rows, offset, case.specification.clause)
    return Case(case.graph, case.region, spec)
