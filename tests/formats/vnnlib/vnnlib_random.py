"""Random VNN-LIB 2.0 text that the standard's own parser accepts too, and the truth that parser's tree has."""

import random
from collections.abc import Mapping
from fractions import Fraction
from math import prod

from simple_vnnlib import COMPARE

RELATIONS = {
    "LessThan": "<",
    "LessEqual": "<=",
    "GreaterThan": ">",
    "GreaterEqual": ">=",
    "Equal": "==",
    "NotEqual": "!=",
}
SHAPES = ((), (1,), (2,), (3,), (2, 2), (1, 2))


class RandomQuery:
    """One query; everything follows from `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.dtype = rng.choice(("real", "real", "float32", "int64"))
        self.words: list[str] = []
        networks = [self.network(number) for number in range(rng.choice((1, 1, 2)))]
        assertions = [f"(assert {self.formula(rng.randint(0, 3))})" for _ in range(rng.randint(1, 5))]
        self.text = "\n".join(["(vnnlib-version <2.0>)", *networks, *assertions])

    def network(self, number: int) -> str:
        rng, lines = self.rng, [f"(declare-network N{number}"]
        declarations = [("input", f"X{number}"), ("hidden", f"H{number}"), ("output", f"Y{number}")]
        for kind, name in declarations:
            if kind == "hidden" and rng.random() < 0.6:
                continue
            shape = rng.choice(SHAPES)
            blank = rng.choice(("", " "))
            lines.append(f"(declare-{kind} {name} {self.dtype} [{f',{blank}'.join(map(str, shape))}]")
            lines[-1] += ' "/conv (1); [0]")' if kind == "hidden" else ")"
            for index in range(prod(shape)):
                place = []
                for size in reversed(shape):
                    index, last = divmod(index, size)
                    place.insert(0, str(last))
                self.words.append(f"{name}[{','.join(place)}]" if shape else name)
        return " ; a comment (with parentheses)\n  ".join([*lines, ")"])

    def formula(self, depth: int) -> str:
        if depth == 0 or self.rng.random() < 0.3:
            relation = self.rng.choice(("<=", ">=", "<=", ">=", "<", ">", "==", "!="))
            sides = [self.term(self.rng.choice((0, 0, 0, 1, 2))), self.rng.choice(self.words)]
            self.rng.shuffle(sides)
            return f"({relation} {sides[0]} {sides[1]})"
        args = [self.formula(depth - 1) for _ in range(self.rng.randint(2, 3))]
        return f"({self.rng.choice(('and', 'and', 'or'))} {' '.join(args)})"

    def term(self, depth: int) -> str:
        if depth == 0:
            return self.number() if self.rng.random() < 0.6 else self.rng.choice(self.words)
        operator = self.rng.choice("+-*")
        args = [self.term(depth - 1) for _ in range(self.rng.randint(1 if operator == "-" else 2, 3))]
        return f"({operator} {' '.join(args)})"

    def number(self) -> str:
        whole = str(self.rng.randint(-2, 2))
        return whole if self.dtype == "int64" else whole + self.rng.choice((".0", ".5", ".25", ".10"))


def official_truth(node: object, at: Mapping[tuple[str, int], Fraction]) -> bool:
    """Of a formula of the package `vnnlib`."""
    kind = type(node).__name__
    if kind in ("And", "Or"):
        return (all if kind == "And" else any)(official_truth(arg, at) for arg in node.args)
    relations = {
        "LessThan": "<",
        "LessEqual": "<=",
        "GreaterThan": ">",
        "GreaterEqual": ">=",
        "Equal": "==",
        "NotEqual": "!=",
    }
    return COMPARE[relations[kind]](official_value(node.lhs, at), official_value(node.rhs, at))


def official_value(node: object, at: Mapping[tuple[str, int], Fraction]) -> Fraction:
    match type(node).__name__:
        case "Var":
            flat = 0
            for index, size in zip(node.indices, node.shape, strict=True):
                flat = flat * size + index
            return at[node.name, flat]
        case "Float" | "Int":
            return Fraction(node.lexeme)
        case "Negate":
            return -official_value(node.expr, at)
        case "Plus":
            return sum((official_value(arg, at) for arg in node.args), Fraction(0))
        case "Minus":
            return official_value(node.head, at) - sum(official_value(arg, at) for arg in node.rest)
        case "Multiply":
            return prod((official_value(arg, at) for arg in node.args), start=Fraction(1))
    raise TypeError(f"no term of the package is a {type(node).__name__}")
