"""What each dialect adds to the common forms."""

from collections.abc import Sequence

from verifier.formats.vnnlib.forms import DONE, Form, Forms
from verifier.formats.vnnlib.networks import KINDS, Like, name, network, variable
from verifier.formats.vnnlib.query import Kind
from verifier.formats.vnnlib.scope import FlatScope, TensorScope
from verifier.formats.vnnlib.terms import conjunction, disjunction
from verifier.formats.vnnlib.tokens import Mistake, quoted
from verifier.properties.expression import Formula

IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")  # of SMT-LIB; they assert nothing


class Dialect1(Forms):
    """VNN-LIB 1.0: constants `X_i` and `Y_i`, with the connectives of SMT-LIB."""

    def __init__(self) -> None:
        self.flat = FlatScope()
        super().__init__(self.flat)
        self.forms |= {
            "not": self.negation,
            "=>": self.implication,
            "declare-const": lambda args: self.declared(args, 2),
            "declare-fun": lambda args: self.declared(args, 3),
            **dict.fromkeys(IGNORED, lambda args: DONE),
        }

    def standing(self) -> frozenset[str]:
        return STANDING1

    def constant(self, word: str) -> None:
        self.flat.declare(word)

    def declared(self, args: Sequence[object], length: int) -> object:
        if len(args) != length or args[-1] != "Real" or not isinstance(args[0], str) or args[1:-1] not in ([], [()]):
            raise Mistake("expected (declare-const X_0 Real)")
        self.flat.declare(args[0])
        return DONE

    def negation(self, args: Sequence[object]) -> Formula:
        if len(args) != 1:
            raise Mistake(f"not takes one formula, found {len(args)}")
        return self.formulas(args)[0].negated()

    def implication(self, args: Sequence[object]) -> Formula:
        """`(=> a b c)` is `a and b implies c`."""
        *before, after = self.formulas(args)
        return disjunction([conjunction(before).negated(), after])


class Dialect2(Forms):
    """VNN-LIB 2.0: networks of named tensors."""

    def __init__(self) -> None:
        self.tensors = TensorScope()
        super().__init__(self.tensors)
        likes = {"equal-to": True, "equalTo": True, "isomorphic-to": False, "isomorphicTo": False}
        self.forms |= {
            "declare-network": self.declared,
            **{keyword: declaration(kind) for keyword, kind in KINDS.items()},
            **{keyword: like(equal) for keyword, equal in likes.items()},
        }

    def standing(self) -> frozenset[str]:
        return STANDING2

    def declared(self, args: Sequence[object]) -> object:
        self.tensors.declare(network(args))
        return DONE


STANDING1 = frozenset(("assert", "declare-const", "declare-fun", *IGNORED))
STANDING2 = frozenset(("assert", "declare-network"))


def declaration(kind: Kind) -> Form:
    return lambda args: variable(kind, args)


def like(equal: bool) -> Form:
    def relation(args: Sequence[object]) -> Like:
        if len(args) != 1:
            raise Mistake(f"expected the name of one network, found {quoted(' '.join(map(str, args)))}")
        return Like(name(args[0]), equal)

    return relation
