"""One question while it is worked on: its proven bounds, its open clauses as programs, and the replay of points."""

from dataclasses import dataclass, field

import numpy as np
import torch

from verifier.attacks.attack import replay_least
from verifier.bounding.methods import Method
from verifier.bounding.propagate import propagate
from verifier.complete.exact.encode import Encoder
from verifier.complete.exact.program import Program, Vector
from verifier.complete.search import Work
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.verdict import Falsified

NEAR = 1e-3  # a margin of a point, in units of the output, up to which the replay is asked


@dataclass(eq=False)
class Question:
    """A problem with a batch of one. `clauses` are those that `method` left open, and `proved` is the least proven
    bound of the others."""

    problem: Problem
    method: Method
    work: Work
    name: str
    table: dict[str, Interval] = field(default_factory=dict)
    clauses: dict[int, float] = field(default_factory=dict)
    proved: float = np.inf

    def bound(self) -> None:
        """Bounds of every node and row that hold in real arithmetic."""
        asked = self.problem.specification
        found = propagate(self.problem.model.graph, self.problem.region, self.method, asked, self.work.proof())
        assert found.rows is not None
        self.table = dict(found.table)
        for clause in sorted(set(asked.clause)):
            best = float(found.rows[self.rows_of(clause), 0].max())
            if best > 0:
                self.proved = min(self.proved, best)
            else:
                self.clauses[clause] = best

    def encoder(self) -> Encoder:
        """An encoder of the network over the region, with the bounds that are known."""
        region = self.problem.region.to(torch.float64, "cpu")
        graph = self.problem.model.graph.to(torch.float64, "cpu")
        return Encoder(graph, region, self.table, stop=self.work.late)

    def program(self, encoder: Encoder, index: list[int]) -> Program:
        """The least value of the greatest of the rows at `index`."""
        asked = self.problem.specification
        rows = flat(asked.rows[index, 0], 1).double().cpu().numpy()
        offset = asked.offset[index, 0].double().cpu().numpy()
        return encoder.minimum(np.concatenate([offset[:, None], rows], axis=1))

    def rows_of(self, clause: int) -> list[int]:
        return [i for i, c in enumerate(self.problem.specification.clause) if c == clause]

    def refute(self, point: Vector | None) -> Falsified | None:
        """Is the input in a program's point a counterexample, or the nearest corner of the region? Solvers are not
        believed: it is moved into the region in float32 and replayed."""
        if point is None or not np.isfinite(point).all():
            return None
        both = self.problem.select(torch.zeros(2, dtype=torch.long))
        region, graph = both.region.to(torch.float64, "cpu"), both.model.graph.to(torch.float64, "cpu")
        inside = torch.from_numpy(point[: torch.Size(region.shape).numel()].copy()).reshape(1, *region.shape)
        box = self.problem.region.box()
        corner = torch.where(inside > box.center, box.upper, box.lower)
        x = region.project(torch.cat([inside, corner]).float())
        found = replay_least(both, x, graph(x.double()), self.name, most=2, near=NEAR)
        return found[0][1] if found else None
