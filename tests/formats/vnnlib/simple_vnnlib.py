"""A second reader of VNN-LIB, slow and plain, that shares no code with the package: trees of words, and their truth."""

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from math import prod

import numpy as np

Tree = str | list["Tree"]
Sized = tuple[np.ndarray, np.ndarray]  # values in float64, and the sizes of what they were computed from
Key = tuple[str, int]
COMPARE: dict[str, Callable[..., bool]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def forms(text: str) -> list[Tree]:
    text = re.sub(r'"[^"\n]*"', '""', text)
    text = re.sub(r";.*", "", text)
    text = re.sub(r"\s*\[([^\]]*)\]", lambda m: "[" + "".join(m[1].split()) + "]", text)
    stack: list[list[Tree]] = [[]]
    for word in re.findall(r"[()]|[^\s()]+", text):
        if word == "(":
            stack.append([])
        elif word == ")":
            form = stack.pop()
            stack[-1].append(form)
        else:
            stack[-1].append(word)
    assert len(stack) == 1
    return stack[0]


class SimpleQuery:
    def __init__(self, text: str) -> None:
        self.shapes: dict[str, list[int]] = {}
        self.flat = "declare-network" not in text
        self.assertions: list[Tree] = []
        for form in forms(text):
            if form[0] == "assert":
                self.assertions.append(form[1])
            for part in form[1:]:
                if part[0] in ("declare-input", "declare-hidden", "declare-output"):
                    name, _, shape = "".join([part[1], " ", part[2]]).replace("[", " [").split()[:3]
                    self.shapes[name] = [int(n) for n in shape[1:-1].split(",") if n]

    def key(self, word: str) -> Key:
        if self.flat:
            return word[0], int(word[2:])
        name, _, inside = word.partition("[")
        place, shape = [int(n) for n in inside.rstrip("]").split(",") if n], self.shapes[name]
        return name, sum(i * prod(shape[axis + 1 :]) for axis, i in enumerate(place))

    def value(self, tree: Tree, at: Mapping[Key, Fraction]) -> Fraction:
        if isinstance(tree, str):
            return at[self.key(tree)] if tree[0].isalpha() else Fraction(tree)
        values = [self.value(part, at) for part in tree[1:]]
        if tree[0] == "*":
            return prod(values, start=Fraction(1))
        if tree[0] == "+":
            return sum(values, Fraction(0))
        assert tree[0] == "-"
        return values[0] - sum(values[1:]) if len(values) > 1 else -values[0]

    def holds(self, tree: Tree, at: Mapping[Key, Fraction]) -> bool:
        head, *rest = tree
        if head in ("and", "or"):
            return (all if head == "and" else any)(self.holds(part, at) for part in rest)
        if head == "not":
            return not self.holds(rest[0], at)
        if head == "=>":
            return self.holds(rest[-1], at) or not all(self.holds(part, at) for part in rest[:-1])
        return COMPARE[head](self.value(rest[0], at), self.value(rest[1], at))

    def values(self, tree: Tree, near: Callable[[Key], np.ndarray]) -> Sized:
        """`value` at many points, about."""
        if isinstance(tree, str):
            value = near(self.key(tree)) if tree[0].isalpha() else np.float64(tree)
            return value, abs(value)
        values, sizes = zip(*(self.values(part, near) for part in tree[1:]), strict=True)
        if tree[0] == "*":
            return prod(values), prod(sizes)
        if tree[0] == "+":
            return sum(values), sum(sizes)
        return (values[0] - sum(values[1:]) if len(values) > 1 else -values[0]), sum(sizes)

    def truths(self, tree: Tree, leaf: Callable) -> np.ndarray:  # type: ignore[type-arg]
        """`holds` at many points: those of comparisons come from `leaf(keys, about, exact)`."""
        head, *rest = tree
        if head not in ("and", "or", "not", "=>"):
            return leaf(set(self.keys(tree)), partial(self.about, tree), partial(self.holds, tree))
        parts = [self.truths(part, leaf) for part in rest]
        if head == "not":
            return ~parts[0]
        if head == "=>":
            return parts[-1] | ~np.logical_and.reduce(parts[:-1])
        return (np.logical_and if head == "and" else np.logical_or).reduce(parts)

    def about(self, tree: Tree, near: Callable[[Key], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """A comparison in float64, and where that is too coarse to tell."""
        (a, wide), (b, broad) = (self.values(part, near) for part in tree[1:])
        return COMPARE[tree[0]](a, b), abs(a - b) <= 1e-12 * (wide + broad)

    def keys(self, tree: Tree) -> Iterator[Key]:
        if not isinstance(tree, str):
            for part in tree[1:]:
                yield from self.keys(part)
        elif tree[0].isalpha():
            yield self.key(tree)
