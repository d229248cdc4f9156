"""The entry with the widest interval."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.complete.branching.branching import Branching, curved
from verifier.complete.relaxed import Relaxed, View
from verifier.numerics import flat


@dataclass(frozen=True)
class Widest(Branching):
    """Knows nothing of the property; what others must beat."""

    name = "widest"

    def scores(self, relaxed: Relaxed, view: View) -> Tensor:
        sites = relaxed.search.sites
        widths = [flat(view.tables[s.name].upper - view.tables[s.name].lower, 1)[:, s.index] for s in sites]
        return torch.where(curved(relaxed, view), torch.cat(widths, dim=1), 0.0)
