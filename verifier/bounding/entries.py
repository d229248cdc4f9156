"""Single entries of a node: rows that ask for one, and what its interval says of rows that ask for nothing else."""

import torch
from torch import Tensor

from verifier.bounding.coefficient import Coefficient, Unit
from verifier.bounding.state import State
from verifier.bounding.windows import Windows
from verifier.graph.graph import Node
from verifier.interval import Interval
from verifier.numerics import flat


def units(node: Node, index: Tensor, state: State) -> Coefficient:
    """Rows that start at the entries `index (S, B)` of a node; on a feature map as windows."""
    shape, like = torch.Size(node.shape), state.region.box().lower
    if len(shape) == 4 and shape[0] == 1 and shape[2] * shape[3] > 1:
        return Windows.units(index.to(like.device), shape, like)
    return Unit(index.to(like.device), shape, like)


def direct(rows: Tensor, interval: Interval) -> Tensor:
    """Lower bounds `(S, B)` of those rows `(S, B, *)` that are a multiple of one entry, straight from the entry's
    interval `(B, *)`: a share below 0 or above 1 is refuted without any slack. Nothing is rounded where the product is
    exact; all others are -inf."""
    rows, lower, upper = flat(rows, 2), flat(interval.lower, 1), flat(interval.upper, 1)
    end = torch.where(rows > 0, lower, upper)
    exact = (rows == 0) | (rows.abs() == 1) | (end == 0) | (end.abs() == 1)
    value = torch.where(rows != 0, rows * end, 0.0).sum(2)
    alone = ((rows != 0).sum(2) == 1) & exact.all(2) & value.isfinite()
    return torch.where(alone, value, -torch.inf)
