"""Formulas over named tensors, as people write them and as VNN-LIB states them.

    y = outputs("Y", 10)
    (y[3] > y[5]) & (y[3] > 0)

Coefficients are exact fractions: nothing is rounded before it meets a region or a specification.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

Number = int | float | Decimal | Fraction
Relation = Literal["<", "<=", "==", "!="]


class Entry(NamedTuple):
    """One number: entry `index` (in C order) of the tensor `name`. A tuple, as queries have them by the hundred
    thousand as keys."""

    name: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs


Monomial = tuple[Entry, ...]  # sorted; the empty one stands for the constant


@dataclass(frozen=True, eq=False)
class Polynomial:
    """`sum(coefficient * product of the monomial's entries)`; no coefficient is zero."""

    terms: Mapping[Monomial, Fraction] = field(default_factory=dict)

    @property
    def constant(self) -> Fraction:
        return self.terms.get((), Fraction(0))

    @property
    def degree(self) -> int:
        return max(map(len, self.terms), default=0)

    def entries(self) -> set[Entry]:
        return {entry for monomial in self.terms for entry in monomial}

    def at(self, values: Mapping[Entry, Fraction]) -> Fraction:
        """The exact value."""
        total = Fraction(0)
        for monomial, coefficient in self.terms.items():
            product = coefficient
            for entry in monomial:
                product *= values[entry]
            total += product
        return total

    def __add__(self, other: "Polynomial | Number") -> "Polynomial":
        terms = dict(self.terms)
        for monomial, coefficient in polynomial(other).terms.items():
            terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient
        return Polynomial({m: c for m, c in terms.items() if c})

    def __mul__(self, other: "Polynomial | Number") -> "Polynomial":
        terms: dict[Monomial, Fraction] = {}
        for a, p in self.terms.items():
            for b, q in polynomial(other).terms.items():
                both = tuple(sorted(a + b))
                terms[both] = terms.get(both, Fraction(0)) + p * q
        return Polynomial({m: c for m, c in terms.items() if c})

    def __neg__(self) -> "Polynomial":
        return Polynomial({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: "Polynomial | Number") -> "Polynomial":
        return self + -polynomial(other)

    def __rsub__(self, other: Number) -> "Polynomial":
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: "Polynomial | Number") -> "Comparison":
        return Comparison(self - other, "<")

    def __le__(self, other: "Polynomial | Number") -> "Comparison":
        return Comparison(self - other, "<=")

    def __gt__(self, other: "Polynomial | Number") -> "Comparison":
        return Comparison(-self + other, "<")

    def __ge__(self, other: "Polynomial | Number") -> "Comparison":
        return Comparison(-self + other, "<=")

    def equals(self, other: "Polynomial | Number") -> "Comparison":
        """`==` as a formula."""
        return Comparison(self - other, "==")

    def differs(self, other: "Polynomial | Number") -> "Comparison":
        """`!=` as a formula."""
        return Comparison(self - other, "!=")


class Formula:
    """A comparison, or several joined by and and or. There is no not: every comparison has its opposite."""

    def __and__(self, other: "Formula") -> "And":
        return And((self, other))

    def __or__(self, other: "Formula") -> "Or":
        return Or((self, other))

    def __bool__(self) -> bool:
        raise TypeError("join formulas with & and |, each comparison in parentheses: (y[3] > y[5]) & (y[3] > 0)")

    def negated(self) -> "Formula":
        raise NotImplementedError

    def at(self, values: Mapping[Entry, Fraction]) -> bool:
        """Is it true there, exactly?"""
        raise NotImplementedError

    def comparisons(self) -> Iterator["Comparison"]:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Comparison(Formula):
    """`left relation 0`."""

    left: Polynomial
    relation: Relation

    def negated(self) -> Formula:
        match self.relation:
            case "<":
                return Comparison(-self.left, "<=")
            case "<=":
                return Comparison(-self.left, "<")
            case "==":
                return Comparison(self.left, "!=")
            case "!=":
                return Comparison(self.left, "==")
        raise TypeError(f"no relation is called {self.relation}")

    def at(self, values: Mapping[Entry, Fraction]) -> bool:
        value = self.left.at(values)
        match self.relation:
            case "<":
                return value < 0
            case "<=":
                return value <= 0
            case "==":
                return value == 0
            case "!=":
                return value != 0
        raise TypeError(f"no relation is called {self.relation}")

    def comparisons(self) -> Iterator["Comparison"]:
        yield self


@dataclass(frozen=True, eq=False)
class And(Formula):
    """All of `args`; none at all is true."""

    args: tuple[Formula, ...]

    def negated(self) -> Formula:
        return Or(tuple(arg.negated() for arg in self.args))

    def at(self, values: Mapping[Entry, Fraction]) -> bool:
        return all(arg.at(values) for arg in self.args)

    def comparisons(self) -> Iterator[Comparison]:
        for arg in self.args:
            yield from arg.comparisons()


@dataclass(frozen=True, eq=False)
class Or(Formula):
    """Some of `args`; none at all is false."""

    args: tuple[Formula, ...]

    def negated(self) -> Formula:
        return And(tuple(arg.negated() for arg in self.args))

    def at(self, values: Mapping[Entry, Fraction]) -> bool:
        return any(arg.at(values) for arg in self.args)

    def comparisons(self) -> Iterator[Comparison]:
        for arg in self.args:
            yield from arg.comparisons()


def polynomial(value: "Polynomial | Number") -> Polynomial:
    """A number as a polynomial, exactly."""
    if isinstance(value, Polynomial):
        return value
    return Polynomial({(): Fraction(value)} if value else {})


def entry(name: str, index: int) -> Polynomial:
    """The polynomial that is one entry of a tensor."""
    return Polynomial({(Entry(name, index),): Fraction(1)})
