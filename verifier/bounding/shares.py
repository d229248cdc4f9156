"""Shares that sum to one: a constant can be moved from all their coefficients at once.

`sum(a_i * p_i) = t + sum((a_i - t) * p_i)` for every `t` where `sum(p_i) = 1`. What the shares' lines lose grows with
`|a_i - t|`, so the median of the coefficients is taken, weighted by how uncertain the shares are. Attention averages
values that are much alike, and is then bounded as if only their differences were weighted.
"""

import torch
from torch import Tensor


def balanced(coefficient: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients `(S, B, *, n)` of shares that sum to one along the last axis, less a number for each sum, and these
    numbers `(S, B, *, 1)`. `width (B, *, n)`, or `(1, *, n)`, are the shares' own."""
    with torch.no_grad():
        order = coefficient.argsort(-1)
        heavy = width.expand_as(coefficient).gather(-1, order).cumsum(-1)
        place = (heavy < heavy[..., -1:] / 2).sum(-1, keepdim=True).clamp(max=coefficient.shape[-1] - 1)
        place = order.gather(-1, place)
    level = coefficient.gather(-1, place)
    return coefficient - level, level
