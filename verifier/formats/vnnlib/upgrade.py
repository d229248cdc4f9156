"""A query as VNN-LIB 2.0 text, also when it was read as 1.0. Every number is written exactly, without an exponent."""

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from verifier.formats.vnnlib.query import Network, Query
from verifier.formats.vnnlib.terms import WHOLE, exact
from verifier.properties.expression import And, Comparison, Entry, Formula, Monomial, Or


def upgrade(query: Query) -> str:
    """Reading the text gives the same networks, bounds and truth values."""
    writer = Writer(query)
    return "\n".join(("(vnnlib-version <2.0>)", *map(declaration, query.networks), *writer.assertions())) + "\n"


def declaration(network: Network) -> str:
    lines = [f"(declare-network {network.name}"]
    lines += [f"  (equal-to {network.equal_to})"] if network.equal_to else []
    lines += [f"  (isomorphic-to {network.isomorphic_to})"] if network.isomorphic_to else []
    for v in network.variables:
        onnx_name = f' "{v.onnx_name}"' if v.kind == "hidden" else ""
        lines.append(f"  (declare-{v.kind} {v.name} {v.dtype} [{','.join(map(str, v.shape))}]{onnx_name})")
    return "\n".join([*lines, ")"])


class Writer:
    """Writes formulas over the variables of one query."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.variables = {v.name: v for network in query.networks for v in network.variables}

    def assertions(self) -> Iterator[str]:
        """At least one: the standard's parser wants that."""
        query = self.query
        for relation, bounds in ((">=", query.least), ("<=", query.greatest)):
            for entry, value in bounds.items():
                yield f"(assert ({relation} {self.entry(entry)} {self.number(value, entry)}))"
        formulas = query.assertions if query.assertions or query.least or query.greatest else (And(()),)
        yield from (f"(assert {self.formula(formula)})" for formula in formulas)

    def formula(self, formula: Formula) -> str:
        match formula:
            case Comparison():
                return self.comparison(formula)
            case And(args=()):
                return "(<= 0.0 0.0)"
            case Or(args=()):
                return "(< 0.0 0.0)"
            case And(args=args):
                return f"(and {' '.join(map(self.formula, args))})"
            case Or(args=args):
                return f"(or {' '.join(map(self.formula, args))})"
        raise TypeError(f"a formula can't be a {type(formula).__name__}")

    def comparison(self, comparison: Comparison) -> str:
        """Negative terms change sides; the constant goes where it stands alone, if it can."""
        terms = dict(comparison.left.terms)
        some = next((monomial[0] for monomial in terms if monomial), None)
        scale = self.scale(list(terms.values()), some)
        constant = terms.pop((), Fraction(0)) * scale
        left = [self.term(m, c * scale) for m, c in terms.items() if c > 0]
        right = [self.term(m, -c * scale) for m, c in terms.items() if c < 0]
        if constant:
            here = not left or (bool(right) and constant > 0)
            (left if here else right).append(self.number(constant if here else -constant, some))
        zero = self.number(Fraction(0), some)
        return f"({comparison.relation} {total(left) or zero} {total(right) or zero})"

    def scale(self, coefficients: list[Fraction], some: Entry | None) -> int:
        """Times this, every coefficient is a finite decimal, or whole where literals must be."""
        whole = self.whole(some)
        return math.lcm(*(c.denominator if whole or exact(c) is None else 1 for c in coefficients))

    def term(self, monomial: Monomial, coefficient: Fraction) -> str:
        factors = [] if coefficient == 1 else [self.number(coefficient, monomial[0])]
        factors += map(self.entry, monomial)
        return factors[0] if len(factors) == 1 else f"(* {' '.join(factors)})"

    def entry(self, entry: Entry) -> str:
        shape, index, place = self.variables[entry.name].shape, entry.index, []
        for size in reversed(shape):
            index, last = divmod(index, size)
            place.append(str(last))
        return f"{entry.name}[{','.join(reversed(place))}]" if shape else entry.name

    def number(self, value: Fraction | Decimal, beside: Entry | None) -> str:
        """With a point, as the standard's parser wants it, except beside integers."""
        decimal = value if isinstance(value, Decimal) else exact(value)
        text = format(decimal, "f")
        if self.whole(beside):
            return text.partition(".")[0]
        return text if "." in text else text + ".0"

    def whole(self, beside: Entry | None) -> bool:
        return beside is not None and self.variables[beside.name].dtype.startswith(WHOLE)


def total(terms: list[str]) -> str:
    """Their sum; of none, nothing."""
    return f"(+ {' '.join(terms)})" if len(terms) > 1 else "".join(terms)
