"""Floating point: unit roundoff, error of sums, and steps outwards.

A bound that counts as proof is computed in float64 and then widened by everything that rounding could have done
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

TINY = 2.0**-900  # far above all that products lose together where they leave the normal numbers: 2^-1075 each
SAFETY = 1 + 2.0**-20  # covers the rounding of rounding terms themselves
CACHED = 2**19  # entries of a product that a CPU's cache holds
SLACK = 32  # roundings beside the sum itself: folded weights, products of slopes, differences; generous on purpose


def unit_roundoff(dtype: torch.dtype) -> float:
    """The largest relative error of one operation, rounded to nearest."""
    return torch.finfo(dtype).eps / 2


def gamma(terms: int, dtype: torch.dtype) -> float:
    """Relative error bound of a sum of `terms` products, in any order of summation, with `SLACK` to spare."""
    n = terms + SLACK
    u = unit_roundoff(dtype)
    if n * u >= 0.5:
        raise ValueError(f"a sum of {n} terms has no useful error bound in {dtype}")
    return n * u / (1 - n * u)


def up(x: Tensor, steps: int = 1) -> Tensor:
    """The next float above, `steps` times."""
    for _ in range(steps):
        x = torch.nextafter(x, torch.full_like(x, torch.inf))
    return x


def down(x: Tensor, steps: int = 1) -> Tensor:
    """The next float below, `steps` times."""
    for _ in range(steps):
        x = torch.nextafter(x, torch.full_like(x, -torch.inf))
    return x


def enclose(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The float64 neighbours `below <= a + b <= above` of the exact sum; equal where the sum is exact.

    The rounding error of a sum is itself a float (Knuth's two-sum), so its sign is known.
    """
    total = a + b
    shadow = total - a
    error = (a - (total - shadow)) + (b - shadow)
    return torch.where(error < 0, down(total), total), torch.where(error > 0, up(total), total)


def pair(a: Tensor, x: Tensor) -> Tensor:
    """`sum(a * x)` over the last axis: `(S, B, n)` with `(B, n)` or `(1, n)` to `(S, B)`.

    Many small matrix products take a CPU two to three times as long as the plain sum, while that stays in its cache.
    """
    if len(x) == 1:
        return a @ x[0]
    if a.numel() <= CACHED and not a.is_cuda:
        return (a * x).sum(2)
    return torch.bmm(a.transpose(0, 1), x.unsqueeze(2)).squeeze(2).T


def total(x: Tensor) -> Tensor:
    """`sum(|x|)` over the first axis; of what leaves the cache part by part, so that nothing of its size is written."""
    if x.numel() <= CACHED:
        return x.abs().sum(0)
    out = torch.zeros_like(x[0])
    for part in x:
        out += part.abs()
    return out


def padded(x: Tensor, count: int) -> Tensor:
    """`count` entries along the first axis, those that are missing zero."""
    if len(x) == count:
        return x
    return functional.pad(x, (0, 0) * (x.dim() - 1) + (0, count - len(x)))


def flat(x: Tensor, lead: int) -> Tensor:
    """All axes after the first `lead` as one; a number has one entry, which torch's own flatten refuses."""
    return x.unsqueeze(-1).flatten(lead)


def shaped(x: Tensor, lead: int, shape: Sequence[int]) -> Tensor:
    """The axis after the first `lead` as axes of `shape`, which may be none: the inverse of `flat`."""
    return x.unflatten(lead, shape) if len(shape) else x.squeeze(lead)
