"""The shape of a search: binary trees whose inner nodes are cuts. That the leaves cover everything follows from it."""

from dataclasses import dataclass

import numpy as np

from verifier.certificates.file import Reader
from verifier.certificates.numbers import Array


@dataclass(frozen=True, eq=False)
class Tree:
    """`T` nodes, roots first. An inner node cuts `place (T,)` at `point (T,)`: child `at_most`
    holds what is at most the point there, `at_least` the rest, both with the point itself. Leaves have place -1."""

    place: Array
    point: Array
    at_most: Array
    at_least: Array

    def parents(self) -> tuple[Array, Array]:
        """Each node's parent, -1 for roots, and on which side of its cut it lies (-1: at most, 1: at least)."""
        parent, side = np.full(len(self.place), -1), np.zeros(len(self.place), dtype=np.int64)
        inner = np.flatnonzero(self.place >= 0)
        for children, sign in ((self.at_most, -1), (self.at_least, 1)):
            parent[children[inner]], side[children[inner]] = inner, sign
        return parent, side


def read(value: Reader, roots: int, places: int) -> Tree:
    """The tree, with `places` that can be cut. Every node but the roots must be the child of exactly one earlier node,
    on one side: then the leaves below a root cover it.

    Raises:
        InputError: it is no such tree.
    """
    place = value["place"].array("i", -1)
    count = len(place)
    point = value["point"].array("f", count)
    at_most, at_least = (value[name].array("i", count) for name in ("at_most", "at_least"))
    inner = place >= 0
    if (place < -1).any() or (place >= places).any():
        raise value.wrong("a cut is at a place that does not exist")
    if count < roots or roots < 1:
        raise value.wrong(f"{count} nodes can't have {roots} roots")
    children = np.concatenate([at_most[inner], at_least[inner]])
    own = np.concatenate([np.flatnonzero(inner)] * 2)
    if len(children) != count - roots or not np.array_equal(np.sort(children), np.arange(roots, count)):
        raise value.wrong("it is no tree: some node is no child of exactly one other")
    if (children <= own).any():
        raise value.wrong("it is no tree: a child comes before its parent")
    return Tree(place, point, at_most, at_least)
