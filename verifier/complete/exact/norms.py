"""Spectral norms and least eigenvalues that are proved: no power iteration, no trust in an eigensolver."""

import numpy as np
from scipy import sparse

from verifier.complete.exact.program import Vector
from verifier.complete.exact.safe import rounding
from verifier.numerics import SAFETY, TINY

LARGEST = 1024  # of the smaller side, up to which the Gram matrix is raised to powers
POWERS = 8  # squarings: the bound is at most n^(1/2^(POWERS+2)) times the norm, 1.4 % for n = 1000
TRIES = 60


def spectral_norm(matrix: sparse.csr_array) -> float:
    """At least the spectral norm: the better one of `sqrt(|A|_1 |A|_inf)` and `|(A'A)^(2^k)|_F^(1/2^(k+1))`."""
    if not matrix.nnz:
        return 0.0
    size = abs(matrix)
    one, infinite = float(size.sum(axis=0).max()), float(size.sum(axis=1).max())
    sums = np.sqrt(one) * np.sqrt(infinite) * (1 + rounding(max(matrix.shape)))
    if min(matrix.shape) > LARGEST:
        return float(sums)
    dense = matrix.toarray()
    return float(min(sums, _by_powers(dense if dense.shape[0] <= dense.shape[1] else dense.T)))


def _by_powers(a: Vector) -> float:
    """`a (n, m)`. Each power is scaled by a power of two; `error` bounds its distance from the true one."""
    n, m = a.shape
    scale = _power_of_two(np.abs(a).max())
    a = a / scale
    power, scales = a @ a.T, [scale * scale]
    error = rounding(m) * float(np.square(a).sum()) + n * m * TINY
    for _ in range(POWERS):
        scale = _power_of_two(np.abs(power).max())
        power, error = power / scale, error / scale
        size = _frobenius(power)
        power, error = power @ power, (error * (2 * size + error) + rounding(n) * size * size) * SAFETY + n * n * TINY
        scales.append(scale)
    bound = (_frobenius(power) + error) * SAFETY
    for scale in reversed(scales[1:]):
        bound = np.nextafter(np.sqrt(bound), np.inf) * scale
    return float(np.nextafter(np.sqrt(bound * scales[0] * SAFETY), np.inf))


def _frobenius(a: Vector) -> float:
    """At least the Frobenius norm."""
    return float(np.linalg.norm(a) * (1 + rounding(a.size)))


def _power_of_two(x: float) -> float:
    return float(2.0 ** np.ceil(np.log2(x))) if x > 0 else 1.0


def length(x: Vector) -> float:
    """At least the Euclidean length."""
    return float(np.linalg.norm(x) * (1 + rounding(x.size)) + TINY)


def least_eigenvalue(matrix: Vector) -> float:
    """At most the least eigenvalue of a symmetric matrix, and at most 0; -inf without an answer.

    If floating-point Cholesky of `A + shift` ends, `A + shift` is definite up to `gamma(n + 1) * trace / (1 - gamma)`
    (Rump 2006, "Verification of positive definiteness", theorem 2.3).
    """
    n = len(matrix)
    if not np.isfinite(matrix).all():
        return -np.inf
    shift = max(0.0, -float(np.linalg.eigvalsh(matrix)[0])) + 1e-14 * float(np.abs(matrix).max(initial=0.0))
    for _ in range(TRIES):
        moved = matrix + shift * np.eye(n)
        try:
            np.linalg.cholesky(moved)
        except np.linalg.LinAlgError:
            shift = 2 * shift + TINY
            continue
        diagonal = float(np.abs(np.diag(moved)).sum())
        return float(np.nextafter(-shift - (2 * rounding(n + 1) * diagonal + n * TINY) * SAFETY, -np.inf))
    return -np.inf
