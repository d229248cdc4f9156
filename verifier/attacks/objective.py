"""What an attack descends: the specification's margin, clause by clause."""

import torch
from torch import Tensor

from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.properties import Specification

HAIR = 1e-6  # share of the rows' magnitude by which another engine may compute a margin differently


def clauses(specification: Specification, values: Tensor) -> Tensor:
    """Rows `(S, N)` to clauses `(K, N)`: a clause is broken where its greatest row is."""
    index = torch.tensor(specification.clause, device=values.device).unsqueeze(1).expand_as(values)
    worst = values.new_full((max(specification.clause) + 1, values.shape[1]), -torch.inf)
    return worst.scatter_reduce(0, index, values, "amax")


def weights(specification: Specification, values: Tensor, target: Tensor) -> Tensor:
    """Rows to descend, `(S, N)`: of the clause `target (N,)` (-1: the least one) all rows that are not broken yet,
    since a clause breaks only when all of its rows do; once all are, the greatest of them."""
    by_clause = clauses(specification, values)
    chosen = torch.where(target < 0, by_clause.argmin(0), target)
    index = torch.tensor(specification.clause, device=values.device).unsqueeze(1)
    mine = index == chosen
    greatest = by_clause.gather(0, chosen.unsqueeze(0))
    return (mine & ((values > 0) | (values == greatest) & (greatest <= 0))).to(values.dtype)


def descend(
    graph: Graph, specification: Specification, x: Tensor, target: Tensor | None, restart: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Margins `(N,)` at `x (N, *in)`, pessimistic by a hair; their gradients; and the targets, where none are
    given those that suit `restart (N,)`: the least clause at any time for 0, then the second least here, the third ...
    Non-finite outputs count as no success."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = graph(x.to(specification.rows.dtype))
        values = specification.values(y)
        with torch.no_grad():
            if target is None:
                order = clauses(specification, values).argsort(0)
                target = torch.where(restart == 0, -1, order.gather(0, (restart % len(order)).unsqueeze(0))[0])
            weight = weights(specification, values, target)
        gradient = torch.zeros_like(x)
        if values.requires_grad:
            found = torch.autograd.grad((weight * values).sum(), x, allow_unused=True)[0]
            gradient = gradient if found is None else found
    with torch.no_grad():
        hair = HAIR * flat(specification.rows.abs() * y.abs(), 2).sum(2).amax(0)
        margin = clauses(specification, values).amin(0) + hair
        margin = torch.where(margin.isfinite() & flat(y, 1).isfinite().all(1), margin, torch.inf)
    return margin, normal(gradient), target


def normal(gradient: Tensor) -> Tensor:
    """Each gradient `(N, *)` scaled to a greatest entry of 1, finite whatever it was; zero stays zero."""
    gradient = gradient.nan_to_num(0.0)
    size = flat(gradient, 1).abs().amax(1).clamp(min=torch.finfo(gradient.dtype).tiny)
    return gradient / size.reshape(-1, *(1,) * (gradient.dim() - 1))
