"""Arithmetic while it is read: exact polynomials that remember the type of their variables."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from verifier.formats.vnnlib.tokens import Mistake
from verifier.properties.expression import And, Comparison, Formula, Monomial, Or, Polynomial

TRUE: Formula = And(())
FALSE: Formula = Or(())
MOST_TERMS = 10_000  # of one product; its written form is far shorter than what it stands for
MOST_FACTORS = 64
MOST_BITS = 14_000  # of a coefficient's numerator and denominator, somewhat over 4000 digits
WIDE = Context(prec=100_000, traps=[Inexact])
WHOLE = ("int", "uint", "bool")  # types whose literals have no decimal point start so


@dataclass(frozen=True)
class Term:
    """`dtype` is that of all variables, also of those that cancel; a constant has none."""

    polynomial: Polynomial
    dtype: str = ""
    fractional: bool = False  # holds a literal with a point or an exponent


def join(terms: Sequence[Term], polynomial: Polynomial) -> Term:
    """`polynomial` was made of `terms`: their types must agree."""
    dtypes = sorted({term.dtype for term in terms if term.dtype})
    if len(dtypes) > 1:
        raise Mistake(f"variables of different types in one comparison: {' and '.join(dtypes)}")
    dtype = dtypes[0] if dtypes else ""
    fractional = any(term.fractional for term in terms)
    if fractional and dtype.startswith(WHOLE):
        raise Mistake(f"a literal with a point or an exponent where variables are of type {dtype}; write an integer")
    return Term(polynomial, dtype, fractional)


def plus(terms: Sequence[Term]) -> Term:
    total: dict[Monomial, Fraction] = {}
    for term in terms:
        for monomial, coefficient in term.polynomial.terms.items():
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return join(terms, checked(Polynomial({m: c for m, c in total.items() if c})))


def minus(terms: Sequence[Term]) -> Term:
    """The first minus the others; a single one is negated."""
    first, *others = terms if len(terms) > 1 else (Term(Polynomial()), *terms)
    return plus([first, *(Term(-term.polynomial, term.dtype, term.fractional) for term in others)])


def times(terms: Sequence[Term]) -> Term:
    product = terms[0].polynomial
    for term in terms[1:]:
        if len(product.terms) * len(term.polynomial.terms) > MOST_TERMS:
            raise Mistake(f"a product of sums that has more than {MOST_TERMS} terms")
        if product.degree + term.polynomial.degree > MOST_FACTORS:
            raise Mistake(f"a product of more than {MOST_FACTORS} variables")
        product = checked(product * term.polynomial)
    return join(terms, product)


def checked(polynomial: Polynomial) -> Polynomial:
    for c in polynomial.terms.values():
        if max(c.numerator.bit_length(), c.denominator.bit_length()) > MOST_BITS:
            raise Mistake("the sums and products of this comparison give a number of more than 4000 digits")
    return polynomial


def compare(relation: str, left: Term, right: Term) -> Formula:
    """Between constants it is true or false at once."""
    if relation in (">", ">="):
        left, right, relation = right, left, relation.replace(">", "<")
    difference = minus([left, right]).polynomial
    match relation:
        case "<":
            comparison = Comparison(difference, "<")
        case "<=":
            comparison = Comparison(difference, "<=")
        case "=" | "==":
            comparison = Comparison(difference, "==")
        case "!=":
            comparison = Comparison(difference, "!=")
        case _:
            raise TypeError(f"no relation is called {relation}")
    if difference.degree:
        return comparison
    return TRUE if comparison.at({}) else FALSE


def conjunction(formulas: Sequence[Formula]) -> Formula:
    """Without ands directly inside."""
    args = [arg for formula in formulas for arg in (formula.args if isinstance(formula, And) else (formula,))]
    return args[0] if len(args) == 1 else And(tuple(args))


def disjunction(formulas: Sequence[Formula]) -> Formula:
    """Without ors directly inside; true where a disjunct is."""
    args = [arg for formula in formulas for arg in (formula.args if isinstance(formula, Or) else (formula,))]
    if any(isinstance(arg, And) and not arg.args for arg in args):
        return TRUE
    return args[0] if len(args) == 1 else Or(tuple(args))


def exact(value: Fraction) -> Decimal | None:
    """The same number as a decimal; None where it has no finite expansion."""
    twos = (value.denominator & -value.denominator).bit_length() - 1
    rest, fives = value.denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    return Decimal(value.numerator * 10**places // value.denominator).scaleb(-places, WIDE) if rest == 1 else None
