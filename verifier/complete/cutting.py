"""How boxes are cut: along which input, how often, and where cutting ends."""

import torch
from torch import Tensor

from verifier.complete.boxes import Boxes
from verifier.numerics import flat

EVEN = 0.1  # of the mean effect of all inputs, added to each: what bends inside is not seen in a row's coefficients
NARROW = 2.0**-40  # of a box's magnitude: beyond that cutting proves nothing


def narrow(boxes: Boxes) -> Tensor:
    """Which boxes are too narrow to be cut, `(N,)`."""
    size = flat(torch.maximum(boxes.lower.abs(), boxes.upper.abs()), 1)
    return (flat(boxes.width, 1) <= NARROW * size).all(1)


def weights(boxes: Boxes, clause: Tensor, rows: Tensor, coefficient: Tensor) -> Tensor:
    """How much each input moves the best row of the open clauses, per unit: `(N, n)`. `rows (S, N)` of the clauses
    `clause (S,)` have `coefficient (S, N, *)`."""
    weight = torch.zeros_like(flat(boxes.lower, 1))
    for k in range(boxes.open.shape[1]):
        mine = (clause == k).nonzero().flatten()
        best = mine[rows[mine].argmax(0)]
        slope = flat(coefficient[best, torch.arange(len(boxes))], 1).abs()
        weight = weight + slope * boxes.open[:, k].unsqueeze(1)
    return weight


def axis(boxes: Boxes, weight: Tensor | None) -> Tensor:
    """The input with the greatest effect in each box, `(N,)`; the widest where no `weight (N, n)` is known."""
    width = flat(boxes.width, 1)
    if weight is None:
        return width.argmax(1)
    return (width * (weight + EVEN * weight.mean(1, keepdim=True) + torch.finfo(width.dtype).tiny)).argmax(1)
