"""Answers. Only a re-checked proof is `Verified`, only a replayed input `Falsified`; everything else is `Unknown`."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np


class Reason(Enum):
    """Why a question stayed open. The value is what a user reads."""

    LOOSE = "the bounds are too loose"
    TIME = "the time was up"
    MEMORY = "the memory budget was reached"
    DOMAINS = "the number of subproblems was reached"
    NUMERICS = "the margin is too small to survive rounding"
    UNSUPPORTED = "an operator can't be bounded yet"
    SOLVER = "a solver failed"


class Trust(Enum):
    """On what a `Verified` rests."""

    RECHECKED = "re-derived in float64 with outward rounding"
    SOLVER = "a MILP solver's bound, not re-derived"


@dataclass(frozen=True, eq=False)
class Verified:
    """For every real input of the region the property holds, by at least `margin` in units of the output; 0 says that
    the proof does not tell by how much."""

    margin: float
    method: str
    trust: Trust = Trust.RECHECKED


@dataclass(frozen=True, eq=False)
class Falsified:
    """`witness (*in)` float32 lies in the region and breaks the property when `engine` runs the network.

    `margin` <= 0 is the property's value there, in units of the output.
    """

    witness: np.ndarray = field(repr=False)  # a printed verdict is a line, not an image
    output: np.ndarray
    margin: float
    method: str
    engine: str


@dataclass(frozen=True, eq=False)
class Unknown:
    """Neither proved nor refuted. `best` is the greatest lower bound of the margin that the search found, in its own
    dtype and not re-checked; -inf where there is none."""

    reason: Reason
    best: float
    method: str
    detail: str = ""


Verdict = Verified | Falsified | Unknown
