"""Comparisons to rows of a specification, exactly: `left <= 0` holds nowhere means `left > 0` everywhere.

Coefficients that float64 does not hold (0.1) are scaled by a positive number until it does, or split over copies of
their column; offsets are rounded downwards, so that whatever is proved of the row holds for the comparison.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from verifier.errors import InputError
from verifier.properties.expression import Comparison, Monomial
from verifier.properties.specification import Specification
from verifier.queries.boxes import around

COPIES = 20  # of a column; float64 numbers that together hold 1000 bits
Column = tuple[Monomial, int]


@dataclass(frozen=True, eq=False)
class Row:
    """`sum(weight * column) + offset`, positive (`closed`: or zero) where the comparison that it denies is false."""

    weights: Mapping[Column, float]
    offset: float
    closed: bool


NEVER = Row({}, -1.0, False)  # of a clause that nothing can satisfy


def denied(comparison: Comparison) -> Row:
    """The opposite of `left < 0` or `left <= 0`."""
    left = comparison.left
    coefficients = {m: c for m, c in left.terms.items() if m}
    scale = _scale(list(coefficients.values()))
    weights = {(m, k): w for m, c in coefficients.items() for k, w in enumerate(_floats(c * scale))}
    return Row(weights, around(left.constant * scale)[0], comparison.relation == "<")


def _scale(coefficients: Sequence[Fraction]) -> Fraction:
    """A positive number near one whose products with all coefficients have powers of two as denominators."""
    least = math.lcm(*(c.denominator for c in coefficients))
    odd = least // (least & -least)
    return Fraction(odd, 2 ** (odd.bit_length() - 1))


def _floats(value: Fraction) -> list[float]:
    """Float64 numbers whose sum is `value` exactly."""
    parts: list[float] = []
    while value:
        part = float(value)
        parts.append(part)
        value -= Fraction(part)
        if len(parts) > COPIES or not part:
            raise InputError(f"a coefficient with more digits than {COPIES} float64 numbers hold")
    return parts


def columns(rows: Iterable[Row]) -> list[Column]:
    """Every column that a row has: single entries before products."""
    return sorted({column for row in rows for column in row.weights}, key=lambda c: (len(c[0]), c))


def specification(
    questions: Sequence[Sequence[Sequence[Row]]], place: Mapping[Column, int], shape: tuple[int, ...]
) -> Specification:
    """`B` questions of as many clauses of as many rows each, over an output of `shape` in which columns have places."""
    clause = tuple(k for k, rows in enumerate(questions[0]) for _ in rows)
    flat = [[row for rows in clauses for row in rows] for clauses in questions]
    rows = torch.zeros((len(clause), len(flat), math.prod(shape)), dtype=torch.float64)
    for b, question in enumerate(flat):
        for s, row in enumerate(question):
            for column, weight in row.weights.items():
                rows[s, b, place[column]] = weight
    offset = torch.tensor([[question[s].offset for question in flat] for s in range(len(clause))], dtype=torch.float64)
    closed = tuple(row.closed for row in flat[0])
    return Specification(rows.reshape(len(clause), len(flat), *shape), offset, clause, closed)
