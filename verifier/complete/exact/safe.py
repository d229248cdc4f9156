"""Lower bounds that need no trust in a solver (Neumaier & Shcherbina 2004, section 2; Jansson 2004).

For any multipliers `y` of the right signs, `cost @ v >= y @ rows + (cost - matrix' y) @ v`, and the last term is least
at a corner of the box. Whatever a solver calls its multipliers, the bound holds; bad ones only loosen it.
"""

import numpy as np

from verifier.complete.exact.program import Program, Vector
from verifier.numerics import SAFETY, TINY

UNIT = 2.0**-53
SPARE = 32  # roundings beside the sums themselves


def rounding(terms: int) -> float:
    """Relative error bound of a sum of `terms` products in float64 (Higham 2002, section 3.1), with room to spare."""
    share = (terms + SPARE) * UNIT
    return share / (1 - share) * SAFETY


def lower_bound(program: Program, multipliers: Vector) -> float:
    """A lower bound of the program's minimum, integrality ignored, true in real arithmetic; -inf if there is none."""
    with np.errstate(all="ignore"):
        return _bound(program, _signed(program, multipliers))


def infeasible(program: Program, ray: Vector) -> bool:
    """Do the multipliers prove that no point fulfils the rows? Of the cost 0 the least value would be positive."""
    nothing = program.minimising(np.zeros_like(program.cost))
    return any(lower_bound(nothing, sign * ray) > 0 for sign in (1.0, -1.0))


def _signed(program: Program, multipliers: Vector) -> Vector:
    """Only the sides that exist can push."""
    y = np.nan_to_num(multipliers, nan=0.0, posinf=0.0, neginf=0.0)
    side = np.where(y > 0, program.row_lower, program.row_upper)
    return np.where(np.isfinite(side), y, 0.0)


def _bound(program: Program, y: Vector) -> float:
    side = np.where(y > 0, program.row_lower, program.row_upper)
    terms = np.where(y != 0, y * side, 0.0)
    magnitude = abs(program.matrix)
    column = np.diff(program.matrix.tocsc().indptr).max(initial=0)
    reduced = program.cost - program.matrix.T @ y
    error = rounding(int(column)) * (np.abs(program.cost) + magnitude.T @ np.abs(y)) + TINY
    corners = np.minimum(reduced * program.lower, reduced * program.upper)
    reach = np.maximum(np.abs(program.lower), np.abs(program.upper))
    total = terms.sum() + corners.sum() + program.constant
    size = np.abs(terms).sum() + np.abs(corners).sum() + abs(program.constant)
    lost = rounding(len(terms) + len(corners)) * size + (error * reach).sum() + np.abs(y) @ program.slack
    bound = total - lost * SAFETY - TINY
    return float(bound) if np.isfinite(bound) else -np.inf
