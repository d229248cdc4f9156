"""BaBSR (Bunel et al. 2020, section 4.2): what the lines lose at an entry, in units of the bound."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.complete.branching.branching import Branching, curved
from verifier.complete.relaxed import Relaxed, View
from verifier.numerics import flat


@dataclass(frozen=True)
class Babsr(Branching):
    """The gap of the line that the bound rests on, times its coefficient, where that is the upper line; `lower` is the
    share that lower lines count, whose slopes adapt when they matter. For ReLU and `lower` 0 it is the published score
    up to the bias; 0.3 took six times as many domains on a network of oval21."""

    lower: float = 0.0
    name = "babsr"

    def scores(self, relaxed: Relaxed, view: View) -> Tensor:
        columns = []
        for site in relaxed.search.sites:
            x = view.tables[site.name]
            total = torch.zeros_like(x.lower)
            for node in site.readers:
                if node.name not in view.seen:
                    continue  # no path from here to the row
                relaxation = relaxed.search.relaxation(node.op)
                coefficient, slopes = view.seen[node.name][0], view.lines[node.name].slopes
                least, greatest = relaxation.gap(node.op, x, slopes.upper)
                loss = (-coefficient).relu() * (greatest - least)
                least, greatest = relaxation.gap(node.op, x, slopes.lower)
                loss = loss + self.lower * coefficient.relu() * (greatest - least)
                share = (x.upper - x.lower) if loss.dim() < x.lower.dim() else 1.0  # of several entries the widest
                total = total + relaxation.spread(loss) * share
            columns.append(flat(total, 1)[:, site.index])
        scores = torch.cat(columns, dim=1).nan_to_num(0.0, torch.finfo(torch.float32).max)
        return torch.where(curved(relaxed, view), scores + torch.finfo(scores.dtype).tiny, 0.0)
