"""How bounds are computed, whatever the method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from verifier.bounding.methods import MEMORY
from verifier.bounding.notes import Notes
from verifier.interval import Interval
from verifier.relaxations.table import Table


@dataclass(frozen=True)
class Options:
    """How to compute: `bytes` bounds the memory of one walk's coefficients; `proof` asks for float64 bounds that hold
    for real arithmetic, and with `deployed` also for the network as computed in that dtype; `stop` is asked between
    chunks and ends tightening early (bounds stay valid), `hurry` only the optimising of slopes; `notes` are taken of a
    proof, for a certificate; `known` are intervals `(B, *)` of nodes that hold already, proved where a proof is asked
    for, and `settled` says that walks back add nothing to them but with other slopes; with `bands` walks back only
    follow where forward bounds, which pay where few inputs vary, are not as tight, and rows of products are bounded by
    these as well; with `grounded` the rows are bounded once more, with zero below every ReLU."""

    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    bytes: int = MEMORY
    proof: bool = False
    relaxations: Table | None = None
    stop: Callable[[], bool] = lambda: False
    hurry: Callable[[], bool] = lambda: False
    deployed: torch.dtype | None = None
    notes: Notes | None = None
    known: Mapping[str, Interval] = field(default_factory=dict)
    settled: bool = False
    bands: bool = False
    grounded: bool = False
