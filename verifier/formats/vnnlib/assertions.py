"""Assertions while they are read: bounds of single inputs are set aside, the rest stays a formula."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from verifier.formats.vnnlib.scope import Scope
from verifier.formats.vnnlib.terms import TRUE, WHOLE, Term, compare, exact
from verifier.formats.vnnlib.tokens import SIDES, Mistake, is_number, number, quoted
from verifier.properties.expression import And, Comparison, Entry, Formula, Polynomial

FLIPPED = {"<=": ">=", ">=": "<=", "==": "==", "=": "=", "<": ">", ">": "<", "!=": "!="}
BOUNDS = {"<=", ">=", "==", "="}


@dataclass
class Assertions:
    scope: Scope
    formulas: list[Formula] = field(default_factory=list)
    least: dict[Entry, Decimal] = field(default_factory=dict)
    greatest: dict[Entry, Decimal] = field(default_factory=dict)
    leaves: dict[str, Formula] = field(default_factory=dict)  # comparisons already read, by their text
    bounded: dict[str, Entry] = field(default_factory=dict)  # inputs already bounded, by their words

    def term(self, word: object) -> Term:
        """What is compared or added: arithmetic already read, a number or a variable."""
        if isinstance(word, Term):
            return word
        if not isinstance(word, str) or word[0] in '"[':
            raise Mistake(f"expected a number or a variable, found {described(word)}")
        if is_number(word):
            value = number(word)
            return Term(Polynomial({(): Fraction(value)} if value else {}), fractional=not word.lstrip("+-").isdigit())
        entry = self.scope.entry(word)
        return Term(Polynomial({(entry,): Fraction(1)}), self.scope.dtypes[entry.name])

    def leaf(self, text: str) -> Formula:
        """A comparison of two words. The same text is the same object: big files repeat theirs many times."""
        formula = self.leaves.get(text)
        if formula is None:
            match = SIDES.fullmatch(text)
            assert match is not None
            formula = self.leaves[text] = compare(match[1], self.term(match[2]), self.term(match[3]))
        return formula

    def hold_leaf(self, relation: str, left: str, right: str) -> None:
        """`hold` of a word against a word; bounds of inputs take a short cut."""
        if is_number(left):
            left, right, relation = right, left, FLIPPED[relation]
        if relation in BOUNDS and is_number(right):
            entry = self.bounded.get(left) or self.input(left)
            if entry is not None:
                self.bound(entry, relation, number(right))
                return
        self.hold(compare(relation, self.term(left), self.term(right)))

    def input(self, word: str) -> Entry | None:
        """The entry of an input whose bounds may be any numbers; None for other words."""
        if is_number(word):
            return None
        entry = self.scope.entry(word)
        if entry.name not in self.scope.inputs or self.scope.dtypes[entry.name].startswith(WHOLE):
            return None
        self.bounded[word] = entry
        return entry

    def bound(self, entry: Entry, relation: str, value: Decimal) -> None:
        """The tightest one wins."""
        if relation != ">=" and value < self.greatest.setdefault(entry, value):
            self.greatest[entry] = value
        if relation != "<=" and value > self.least.setdefault(entry, value):
            self.least[entry] = value

    def hold(self, formula: Formula) -> None:
        """Assert it. Bounds of single inputs are taken out of a conjunction."""
        for part in formula.args if isinstance(formula, And) else (formula,):
            if not (isinstance(part, Comparison) and self.takes(part)):
                self.formulas.append(part)

    def takes(self, comparison: Comparison) -> bool:
        """Is it a bound of one input, at a number that a decimal can express?"""
        terms = dict(comparison.left.terms)
        constant = terms.pop((), Fraction(0))
        if comparison.relation not in BOUNDS or len(terms) != 1:
            return False
        [(monomial, coefficient)] = terms.items()
        value = exact(-constant / coefficient)
        if value is None or len(monomial) != 1 or monomial[0].name not in self.scope.inputs:
            return False
        if self.scope.dtypes[monomial[0].name].startswith(WHOLE) and value != int(value):
            return False
        self.bound(monomial[0], FLIPPED[comparison.relation] if coefficient < 0 else comparison.relation, value)
        return True


def described(value: object) -> str:
    if value is TRUE or isinstance(value, Formula):
        return "a formula"
    return quoted(value) if isinstance(value, str) else "a declaration or ()"
