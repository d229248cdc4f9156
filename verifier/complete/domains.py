"""Subproblems of a search over activations: which entries were cut, and the dual variables that bound the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Domains:
    """`N` domains of one question, each about one `clause (N,)`.

    Up to `D` cuts lead to a domain: entry `place (N, D)` (-1: none) is at least (`sign` 1) or at most (-1) `point`,
    with the multiplier `beta >= 0`. `weight (N, R)` are those of the clause's rows; `share` holds, for each nonlinear
    node and side, the optimised slopes `(N, n)` of the entries that can be cut, as bytes. `bound (N,)` is the best so
    far, `node (N,)` the number that a recorder gave. `lower` and `upper (N, n or 0)` are what refining knows of the
    entries that can be cut, in half precision rounded outwards.
    """

    clause: Tensor
    place: Tensor
    sign: Tensor
    point: Tensor
    beta: Tensor
    weight: Tensor
    share: Mapping[tuple[str, str], Tensor]
    bound: Tensor
    node: Tensor
    lower: Tensor
    upper: Tensor

    def __len__(self) -> int:
        return len(self.clause)

    @property
    def refined(self) -> Tensor:
        """`(N,)`: are their intervals only about the part where their row is broken?"""
        return ((self.lower > -torch.inf) | (self.upper < torch.inf)).any(1)

    def __getitem__(self, index: Tensor) -> Self:
        plain = {name: getattr(self, name)[index] for name in PLAIN}
        return type(self)(**plain, share={key: value[index] for key, value in self.share.items()})

    def to(self, device: torch.device | str) -> Self:
        if self.clause.device == torch.device(device):
            return self
        plain = {name: getattr(self, name).to(device) for name in PLAIN}
        return type(self)(**plain, share={key: value.to(device) for key, value in self.share.items()})

    def joined(self, other: "Domains") -> "Domains":
        """These, then the others."""
        depth = max(self.place.shape[1], other.place.shape[1])
        a, b = self.deepened(depth), other.deepened(depth)
        plain = {name: torch.cat([getattr(a, name), getattr(b, name)]) for name in PLAIN}
        return Domains(**plain, share={key: torch.cat([value, b.share[key]]) for key, value in a.share.items()})

    def deepened(self, depth: int) -> "Domains":
        """With room for `depth` cuts."""
        room = (0, depth - self.place.shape[1])
        if room[1] <= 0:
            return self
        place = functional.pad(self.place, room, value=-1)
        sign, point, beta = (functional.pad(x, room) for x in (self.sign, self.point, self.beta))
        return replace(self, place=place, sign=sign, point=point, beta=beta)

    def cut(self, place: Tensor, point: Tensor) -> "Domains":
        """Both children of each domain: first those at most `point (N,)` at entry `place (N,)`, then those at least."""
        depth = int((self.place >= 0).sum(1).max()) if len(self) else 0
        parent = self.deepened(depth + 1)
        at = (parent.place >= 0).sum(1, keepdim=True)
        children = []
        for sign in (-1.0, 1.0):
            children.append(
                replace(
                    parent,
                    place=parent.place.scatter(1, at, place.unsqueeze(1)),
                    point=parent.point.scatter(1, at, point.unsqueeze(1)),
                    sign=parent.sign.scatter(1, at, sign),
                )
            )
        return children[0].joined(children[1])


PLAIN = ("clause", "place", "sign", "point", "beta", "weight", "bound", "node", "lower", "upper")


def roots(clauses: Tensor, weight: Tensor, share: Mapping[tuple[str, str], Tensor], known: int = 0) -> Domains:
    """A domain without cuts for each of `clauses (N,)`; `share (1, n)` is where all of them start, `known` the number
    of entries of which refining may learn."""
    count = len(clauses)
    return Domains(
        clause=clauses,
        place=torch.empty(count, 0, dtype=torch.long),
        sign=torch.empty(count, 0),
        point=torch.empty(count, 0, dtype=torch.float64),
        beta=torch.empty(count, 0),
        weight=weight,
        share={key: value.expand(count, -1) for key, value in share.items()},
        bound=torch.full((count,), -torch.inf, dtype=torch.float64),
        node=torch.arange(count),
        lower=torch.full((count, known), -torch.inf, dtype=torch.half),
        upper=torch.full((count, known), torch.inf, dtype=torch.half),
    )
