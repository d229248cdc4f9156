"""The contract of a branching heuristic: scores for every entry that can still be cut."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.complete.relaxed import Relaxed, View
from verifier.numerics import flat


@dataclass(frozen=True)
class Branching(ABC):
    """A strategy; it only chooses, so that nothing sound rests on it. All of it is on the device of the search."""

    name = "branching"

    @abstractmethod
    def scores(self, relaxed: Relaxed, view: View) -> Tensor:
        """How much a cut at each entry promises, `(N, n)` over all sites; 0 where nothing is left to cut."""

    def choose(self, relaxed: Relaxed, view: View) -> tuple[Tensor, Tensor]:
        """The entry to cut in each domain and where, `(N,)` each; entry -1 where everything is linear."""
        scores = self.scores(relaxed, view)
        best, place = scores.max(1)
        return torch.where(best > 0, place, -1), points(relaxed, view).gather(1, place.unsqueeze(1))[:, 0]


def points(relaxed: Relaxed, view: View) -> Tensor:
    """Where each entry would be cut: `(N, n)` float64."""
    columns = []
    for site in relaxed.search.sites:
        x, op = view.tables[site.name], site.readers[0].op
        columns.append(flat(relaxed.search.relaxation(op).cut(op, x), 1)[:, site.index].double())
    return torch.cat(columns, dim=1)


def curved(relaxed: Relaxed, view: View) -> Tensor:
    """`(N, n)`: is some reader of the entry not linear yet?"""
    columns = []
    for site in relaxed.search.sites:
        x = view.tables[site.name]
        linear = torch.ones_like(x.lower, dtype=torch.bool)
        for node in site.readers:
            linear &= relaxed.search.relaxation(node.op).linear(node.op, x)
        columns.append(flat(~linear, 1)[:, site.index])
    return torch.cat(columns, dim=1)
