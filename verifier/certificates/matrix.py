"""Products with a matrix; of one with few entries in each row, entry by entry."""

from collections.abc import Callable, Sequence

import numpy as np

from verifier.certificates.numbers import Array

FEW = 64  # a share: one of so many entries of a row, at most, differs from zero

Product = Callable[[Array, bool], Array]


def times(weight: Array) -> Product:
    """`x (N, n)` by the rows of `weight (m, n)`, or by their absolute values: `(N, m)`."""
    count = max(1, int((weight != 0).sum(1).max(initial=0)))
    if count * FEW > weight.shape[1]:
        return lambda x, absolute: x @ (np.abs(weight) if absolute else weight).T
    place = np.argsort(weight == 0, axis=1, kind="stable")[:, :count].T
    value = np.take_along_axis(weight, place.T, 1).T

    def product(x: Array, absolute: bool) -> Array:
        factors = np.abs(value) if absolute else value
        total: Array = x[:, place[0]] * factors[0]
        for i in range(1, count):
            total += x[:, place[i]] * factors[i]
        return total

    return product


def matrix(weight: Array) -> tuple[Callable[[Sequence[Array], bool], Array], Callable[[Array], tuple[Array, ...]]]:
    """`x (..., in) -> x W'` on the last axis, and its transpose."""
    rows, columns = weight.shape
    ahead, back = times(weight), times(weight.T)

    def forward(xs: Sequence[Array], absolute: bool) -> Array:
        return ahead(xs[0].reshape(-1, columns), absolute).reshape(len(xs[0]), -1)

    def transpose(a: Array) -> tuple[Array, ...]:
        return (back(a.reshape(-1, rows), False).reshape(len(a), -1),)

    return forward, transpose
