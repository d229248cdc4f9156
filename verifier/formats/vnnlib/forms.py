"""Forms in parentheses, as both dialects have them, reduced to their values.

One loop over the tokens with its own stack, so no depth of parentheses can exhaust Python's. A form is reduced when its
parenthesis closes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from verifier.errors import InputError
from verifier.formats.vnnlib.assertions import Assertions, described
from verifier.formats.vnnlib.scope import Scope
from verifier.formats.vnnlib.terms import TRUE, Term, compare, conjunction, disjunction, minus, plus, times
from verifier.formats.vnnlib.tokens import (
    ASSERTION,
    CLOSE,
    COMPARISON,
    CONSTANT,
    OPEN,
    SIDES,
    STRAY,
    TOKEN,
    Mistake,
    quoted,
)
from verifier.properties.expression import Formula

DEEPEST = 2000  # parentheses within parentheses
MOST_TURNS = 50  # of or within and within or ...: only these remain nested in a formula
CONNECTIVES = ("and", "or", "not", "=>")
FLAT = ("and", "or")  # of those directly within their like nothing remains
DONE = object()  # the value of a form that stands by itself
Form = Callable[[Sequence[object]], object]


@dataclass(slots=True)
class Frame:
    """An open parenthesis and what it holds so far."""

    keyword: str
    start: int
    certain: bool = False  # what it holds is asserted as such, not under an or
    turns: int = 0
    args: list[object] = field(default_factory=list)


class Forms:
    """Reads a text form by form. A dialect adds its own forms and says what names stand for."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.asserted = Assertions(scope)
        self.stack = [Frame("", 0)]
        self.forms: dict[str, Form] = {
            "assert": self.assertion,
            "and": lambda args: conjunction(self.formulas(args)),
            "or": lambda args: disjunction(self.formulas(args)),
            "+": lambda args: plus(self.terms(args)),
            "-": lambda args: minus(self.terms(args)),
            "*": lambda args: times(self.terms(args)),
            **{relation: partial(self.comparison, relation) for relation in ("<=", ">=", "<", ">", "==", "=", "!=")},
        }

    def read(self, text: str, start: int, source: str) -> None:
        """Every form of a text; a mistake becomes an error that knows its line."""
        position, stack, root = start, self.stack, self.stack[0]
        try:
            for token in TOKEN.finditer(text, start):
                position, kind, top = token.start(), token.lastindex, stack[-1]
                if kind == COMPARISON:
                    top.args.append(self.leaf(token[COMPARISON], top.certain))
                elif kind == ASSERTION and top is root:
                    self.asserted.hold_leaf(*token.group(1, 2, 3))
                elif kind == CONSTANT and top is root:
                    self.constant(token[CONSTANT])
                elif kind == OPEN:
                    stack.append(self.opened(token[OPEN], position))
                elif kind == CLOSE:
                    position = top.start if len(stack) > 1 else position
                    self.close()
                elif kind in (ASSERTION, CONSTANT, STRAY):
                    raise Mistake(f"did not expect {quoted(token[0])} here")
                else:
                    top.args.append(token[0])
                if root.args and root.args.pop() is not DONE:
                    raise Mistake(f"expected a form such as (assert ...), found {quoted(token[0])}")
            if len(stack) > 1:
                position = stack[1].start
                raise Mistake(f"the parenthesis before {quoted(stack[1].keyword)} is never closed")
        except Mistake as mistake:
            line = text.count("\n", 0, position) + 1
            raise InputError(f"{source}, line {line}: {mistake}") from None

    def leaf(self, text: str, certain: bool) -> Formula:
        """A comparison of two words."""
        if not certain:
            return self.asserted.leaf(text)
        match = SIDES.fullmatch(text)
        assert match is not None
        self.asserted.hold_leaf(*match.group(1, 2, 3))
        return TRUE

    def constant(self, word: str) -> None:
        """`(declare-const word Real)`, which only dialect 1.0 has."""
        raise Mistake("declare-const belongs to VNN-LIB 1.0; here a network declares its inputs and outputs")

    def opened(self, keyword: str, position: int) -> Frame:
        top, root = self.stack[-1], self.stack[0]
        if len(self.stack) > DEEPEST:
            raise Mistake(f"parentheses are nested more than {DEEPEST} deep")
        if not keyword and top.keyword != "declare-fun":
            raise Mistake("expected a keyword after the parenthesis")
        if keyword and keyword not in self.forms:
            raise Mistake(f"expected one of {', '.join(self.forms)}, found {quoted(keyword)}")
        if (top is root) != (keyword in self.standing()):
            raise Mistake(f"{quoted(keyword)} does not belong {'at the top' if top is root else 'inside a form'}")
        turns = top.turns + (keyword in CONNECTIVES and not (keyword in FLAT and keyword == top.keyword))
        if turns > MOST_TURNS:
            raise Mistake(f"formulas are nested more than {MOST_TURNS} deep")
        certain = keyword == "assert" or (keyword == "and" and top.certain)
        return Frame(keyword, position, certain, turns)

    def standing(self) -> frozenset[str]:
        """Keywords of the forms that stand at the top."""
        return frozenset(("assert",))

    def close(self) -> None:
        if len(self.stack) == 1:
            raise Mistake("this ) closes nothing")
        frame = self.stack.pop()
        self.stack[-1].args.append(self.forms[frame.keyword](frame.args) if frame.keyword else empty(frame.args))

    def assertion(self, args: Sequence[object]) -> object:
        if len(args) != 1:
            raise Mistake(f"(assert ...) holds one formula, found {len(args)}")
        self.asserted.hold(*self.formulas(args))
        return DONE

    def comparison(self, relation: str, args: Sequence[object]) -> Formula:
        if len(args) != 2:
            raise Mistake(f"{relation} compares two terms, found {len(args)}")
        left, right = self.terms(args)
        return compare(relation, left, right)

    def formulas(self, args: Sequence[object]) -> list[Formula]:
        formulas = [arg for arg in args if isinstance(arg, Formula)]
        if len(formulas) != len(args) or not args:
            wrong = [arg for arg in args if not isinstance(arg, Formula)]
            raise Mistake(f"expected comparisons, found {described(wrong[0]) if wrong else 'nothing'}")
        return formulas

    def terms(self, args: Sequence[object]) -> list[Term]:
        if not args:
            raise Mistake("expected numbers or variables, found nothing")
        return [self.asserted.term(arg) for arg in args]


def empty(args: Sequence[object]) -> object:
    """`()`, as in the SMT-LIB declaration of a function without arguments."""
    if args:
        raise Mistake("expected a keyword after the parenthesis")
    return ()
