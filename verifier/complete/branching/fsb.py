"""Filtered smart branching (De Palma et al. 2021, section 4): a cheap score filters, the children's bounds decide."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from verifier.complete.branching.babsr import Babsr
from verifier.complete.branching.branching import Branching, points
from verifier.complete.relaxed import Relaxed, View


@dataclass(frozen=True)
class Fsb(Branching):
    """Of the `candidates` entries with the best scores, the one whose worse child has the best bound, by one walk each
    without optimising."""

    candidates: int = 4
    filter: Branching = field(default_factory=Babsr)
    name = "fsb"

    def scores(self, relaxed: Relaxed, view: View) -> Tensor:
        return self.filter.scores(relaxed, view)

    def choose(self, relaxed: Relaxed, view: View) -> tuple[Tensor, Tensor]:
        scores, where = self.scores(relaxed, view), points(relaxed, view)
        best, place = scores.topk(min(self.candidates, scores.shape[1]), dim=1)
        point = where.gather(1, place)
        if place.shape[1] > 1:
            gain = torch.stack([self._gain(relaxed, view, place[:, j], point[:, j]) for j in range(place.shape[1])], 1)
            gain = torch.where(best > 0, gain, -torch.inf)
            chosen = gain.argmax(1, keepdim=True)
        else:
            chosen = place.new_zeros(len(place), 1)
        chosen_place = torch.where(best.gather(1, chosen) > 0, place.gather(1, chosen), -1)
        return chosen_place[:, 0], point.gather(1, chosen)[:, 0]

    @staticmethod
    def _gain(relaxed: Relaxed, view: View, place: Tensor, point: Tensor) -> Tensor:
        """The worse child's bound, and a little of the better one's: `(N,)`."""
        first, second = relaxed.view(view.domains.cut(place, point)).bound.chunk(2)
        return torch.minimum(first, second) + 0.05 * torch.maximum(first, second).clamp(max=0)
