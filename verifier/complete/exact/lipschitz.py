"""Margins at a centre less what Lipschitz bounds allow to change: layer by layer, or LipSDP (Fazlyab et al. 2019)."""

from dataclasses import dataclass, field

import numpy as np
import torch

from verifier.bounding.methods import Crown, Ibp, Method
from verifier.bounding.propagate import propagate
from verifier.complete.exact.deviations import Deviations
from verifier.complete.exact.lipsdp import lipsdp
from verifier.complete.exact.norms import length
from verifier.complete.exact.program import Vector
from verifier.complete.search import OneByOne, Work
from verifier.errors import UnsupportedModel
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.regions import Ball, Box, Region, box
from verifier.verdict import Reason, Unknown, Verdict, Verified


@dataclass(frozen=True)
class Lipschitz(OneByOne):
    """Layer-wise: products of proven spectral norms, local to the region. Dense networks of at most `neurons` neurons
    that may bend are tried with LipSDP, too, where time is left."""

    name = "lipschitz"
    bounding: Method = field(default_factory=Crown)
    neurons: int = 60

    def answer(self, problem: Problem, work: Work) -> Verdict:
        if work.late():
            return Unknown(Reason.TIME, -np.inf, self.name)
        if work.deployed is not None:
            return Unknown(Reason.UNSUPPORTED, -np.inf, self.name, "Lipschitz bounds are about real arithmetic only")
        try:
            margin = self._margin(problem, work)
        except UnsupportedModel as error:
            return Unknown(Reason.UNSUPPORTED, -np.inf, self.name, str(error))
        return Verified(margin, self.name) if 0 < margin < np.inf else Unknown(Reason.LOOSE, margin, self.name)

    def _margin(self, problem: Problem, work: Work) -> float:
        """A proven lower bound of the margin."""
        graph, asked = problem.model.graph.to(torch.float64, "cpu"), problem.specification.to(torch.float64, "cpu")
        hull, center, scale, spread = around(problem.region.to(torch.float64, "cpu"))
        table = propagate(graph, hull, self.bounding, None, work.proof()).table
        at_center = propagate(graph, box(center, center), Ibp(), asked, work.proof()).rows
        assert at_center is not None
        deviations = Deviations(graph, table, scale, spread).run()
        rows = flat(asked.rows[:, 0], 1).numpy()
        away = deviations.rows(rows)
        best = torch.from_numpy(np.nextafter(at_center[:, 0].numpy() - away, -np.inf)).unsqueeze(1)
        if not float(asked.margin(best)) > 0:
            away = np.minimum(away, lipsdp(deviations, rows, self.neurons, work))
            best = torch.from_numpy(np.nextafter(at_center[:, 0].numpy() - away, -np.inf)).unsqueeze(1)
        return float(asked.margin(best))


def around(region: Region) -> tuple[Box, torch.Tensor, Vector, float]:
    """A box that holds the region, a centre in it, and `scale`, `spread` with `|(x - centre) / scale|_2 <= spread`."""
    hull = box(region.box().lower, region.box().upper)
    if isinstance(region, Ball):
        inside = (hull.outer.lower <= region.center) & (region.center <= hull.outer.upper)
        if bool(inside.all()):
            return hull, region.center, region.radius.flatten().numpy(), 1.0
    center = hull.outer.center
    radius = torch.maximum(hull.outer.upper - center, center - hull.outer.lower).flatten().numpy()
    return hull, center, np.nextafter(radius, np.inf) * (radius > 0), length((radius > 0).astype(float))
