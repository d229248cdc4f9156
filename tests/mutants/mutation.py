"""What mutants are tried on. Each law first holds without the bug, so that what fails is the mutant, not the test."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from laws.cases import Case
from laws.searches import Puzzle
from laws.strategies import Recipe

from verifier.attacks import attack
from verifier.complete import probes

MLP = ("linear", "relu", "linear", "relu")
Patch = pytest.MonkeyPatch
Law = Callable[[], object]


def fails(law: Law, mutate: Callable[[], None]) -> None:
    """The law holds, and with the bug it does not."""
    law()
    mutate()
    with pytest.raises(AssertionError):
        law()


def fails_on(
    law: Callable[[Case], object], examples: Iterable[Recipe], mutate: Callable[[], None], size: float
) -> None:
    """The law holds on all examples, and with the bug not on all of them. Cases are made anew: graphs remember."""
    examples = list(examples)

    def try_all() -> None:
        for recipe in examples:
            law(recipe.case(size))

    fails(try_all, mutate)


def recipes(layers: tuple[str, ...], region: str = "linf", shape: tuple[int, ...] = (5,)) -> list[Recipe]:
    return [Recipe(shape, layers, seed, 1.0, region, 3, (0, 0, 1, 2)) for seed in range(6)]


def puzzle(seed: int, layers: tuple[str, ...] = MLP, size: float = 1.0, margin: float = -0.05) -> Puzzle:
    return Puzzle((3,), layers, seed, 1.0, "box", size, (0, 0, 1, 2), (), margin)


class Blind:
    """A search that finds no counterexamples on its way."""

    name = "blind"

    def __init__(self, search: object) -> None:
        self.search = search

    def __call__(self, *args: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for room in (attack, probes):
                patch.setattr(room, "replay", lambda problem, x, method: [None] * len(x))
            return self.search(*args)  # type: ignore[operator]
