"""ReLUs that need no binary: where the objective and all other rows only press the output down, the minimum lies on
one of the ReLU's two lines from below anyway.

Of a network with one hidden layer this leaves the ReLUs that count with a negative weight. Nothing sound rests on it:
with fewer integers a program has a smaller minimum, if anything.
"""

from collections.abc import Sequence

import numpy as np

from verifier.complete.exact.pieces import Kinks
from verifier.complete.exact.program import Mask, Program, Vector

LINES = 2  # rows of a kink that press its output away from the lines


def idle(program: Program, kinks: Sequence[Kinks]) -> Mask:
    """`(n,)`: binaries of kinks whose output nothing else presses beyond their lines."""
    found = np.zeros(len(program.cost), dtype=bool)
    up, down = pressed(program)
    for kink in kinks:
        other = np.where(kink.sign > 0, up[kink.output], down[kink.output])
        cost = kink.sign * program.cost[kink.output]
        found[kink.binary[(other <= LINES) & (cost >= 0)]] = True
    return found


def pressed(program: Program) -> tuple[Vector, Vector]:
    """By how many rows each column is pressed up, and down: `(n,)` each."""
    sign = program.matrix.sign()
    plus, minus = sign.maximum(0), (-sign).maximum(0)
    least, most = (np.isfinite(side).astype(float) for side in (program.row_lower, program.row_upper))
    return plus.T @ least + minus.T @ most, plus.T @ most + minus.T @ least
