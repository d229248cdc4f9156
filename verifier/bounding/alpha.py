"""α-CROWN: slopes found by gradient ascent, for rows that start at one node (Xu et al. 2021, section 3.2).

Rows do not touch each other, so any chunk of rows gives the same answer. Optimising happens in the searching state;
what is returned was evaluated in the given one, which may be a proving state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.bounding.adam import Adam
from verifier.bounding.coefficient import Dense
from verifier.bounding.methods import AlphaCrown
from verifier.bounding.notes import Shares, packed, sloped
from verifier.bounding.state import State
from verifier.relaxations.relaxation import Slopes


def optimise(
    state: State,
    search: State,
    start: str,
    rows: Tensor,
    method: AlphaCrown,
    stop: Callable[[], bool],
    note: Callable[[Shares], None] | None = None,
) -> Tensor:
    """Lower bounds `(S, B)` of `rows (S, B, *)` at `start`, at least those of the starting slopes up to rounding.

    With `state` and `search` the same object the best bound seen is returned, else the best slopes seen are evaluated
    in `state`, for the rows as they were given: rounded to the searching dtype they would ask another question. `note`
    hears these slopes, which are rounded to bytes then.
    """
    nodes = search.graph.until(start).nodes
    choices = {n.name: _choice(search, n.name, len(rows), method) for n in nodes if n.name in search.lines}
    with torch.enable_grad():  # whatever the caller has set
        best = _ascend(search, start, rows.to(search.region.box().lower), choices, method, stop)
    if search is state:
        return best
    like = state.region.box().lower
    with torch.no_grad():
        if note is None:
            slopes = {name: choice.best(like) for name, choice in choices.items()}
        else:
            note(shares := {name: choice.packed() for name, choice in choices.items()})
            slopes = {name: _sloped(state, name, sides) for name, sides in shares.items()}
        lines = {name: state.choose(name, chosen) for name, chosen in slopes.items()}
        losses = {name: torch.maximum(state.losses[name], state.loss(name, line)) for name, line in lines.items()}
        return state.backward(lines, losses=losses).bound(start, Dense(rows.to(like)))


def _sloped(state: State, name: str, shares: Mapping[str, Tensor]) -> Slopes:
    node = state.graph.by_name[name]
    return sloped(state.relaxations, node.op, state.table[node.inputs[0]], shares)


def _ascend(
    search: State, start: str, rows: Tensor, choices: dict[str, "Choice"], method: AlphaCrown, stop: Callable[[], bool]
) -> Tensor:
    """The best bound of each row; the slopes that gave it stay in `choices`."""
    leaves = [leaf for choice in choices.values() for leaf in choice.leaves]
    best = torch.full(rows.shape[:2], -torch.inf, dtype=rows.dtype, device=rows.device)
    if not leaves:
        return torch.maximum(best, search.backward().bound(start, Dense(rows)))
    adam = Adam(leaves, method.betas)
    for step in range(method.steps + 1):
        lines = {name: search.choose(name, choice.slopes()) for name, choice in choices.items()}
        bound = search.backward(lines).bound(start, Dense(rows))
        better = (bound.sum(0, keepdim=True) > best.sum(0, keepdim=True)) if method.shared else bound > best
        best = torch.maximum(best, bound.detach())
        for choice in choices.values():
            choice.keep(better)
        if step == method.steps or stop():
            break
        rate = method.lr * method.decay**step
        adam.step(torch.where(bound.isfinite(), bound, 0.0).sum(), [rate] * len(leaves))
        for leaf in leaves:
            leaf.data.clamp_(0, 1)
    return best


@dataclass(eq=False)
class Choice:
    """The slopes of one nonlinear node: `least + share * (greatest - least)` with shares in [0, 1] that can be trained.

    A side whose ends coincide stays fixed.
    """

    least: Slopes
    greatest: Slopes
    lower: Tensor
    upper: Tensor
    kept: tuple[Tensor, Tensor]

    @property
    def leaves(self) -> list[Tensor]:
        return [share for share in (self.lower, self.upper) if share.requires_grad]

    def slopes(self) -> Slopes:
        return self._at(self.lower, self.upper)

    def best(self, like: Tensor) -> Slopes:
        """The slopes kept, in another arithmetic."""
        slopes = self._at(*self.kept)
        return Slopes(slopes.lower.to(like), slopes.upper.to(like))

    def packed(self) -> dict[str, Tensor]:
        """The shares kept, of the sides that could be trained, as bytes."""
        sides = zip(("lower", "upper"), (self.lower, self.upper), self.kept, strict=True)
        return {side: packed(kept) for side, share, kept in sides if share.requires_grad}

    def keep(self, better: Tensor) -> None:
        """Remember the present shares where `better (S, B)`, or `(1, B)` for shared ones."""
        self.kept = tuple(  # type: ignore[assignment]
            torch.where(better.reshape(*better.shape, *(1,) * (now.dim() - 2)), now.detach(), old)
            if now.requires_grad
            else old
            for now, old in zip((self.lower, self.upper), self.kept, strict=True)
        )

    def _at(self, lower: Tensor, upper: Tensor) -> Slopes:
        return Slopes(
            self.least.lower + lower * (self.greatest.lower - self.least.lower),
            self.least.upper + upper * (self.greatest.upper - self.least.upper),
        )


def _choice(search: State, name: str, count: int, method: AlphaCrown) -> Choice:
    """Shares that start at the node's own lines."""
    node = search.graph.by_name[name]
    relaxation = search.relaxations[type(node.op)]
    least, greatest = relaxation.range(node.op, search.table[node.inputs[0]])
    start, rows = search.lines[name].slopes, 1 if method.shared else count
    lower = _share(start.lower, least.lower, greatest.lower, rows)
    upper = _share(start.upper, least.upper, greatest.upper, rows)
    return Choice(least, greatest, lower, upper, (lower.detach().clone(), upper.detach().clone()))


def _share(start: Tensor, least: Tensor, greatest: Tensor, rows: int) -> Tensor:
    width = greatest - least
    share = torch.where(width > 0, (start - least) / width.clamp(min=torch.finfo(width.dtype).tiny), 0.0).clamp(0, 1)
    if not bool((width > 0).any()):
        return share
    return share.unsqueeze(0).repeat(rows, *(1,) * share.dim()).requires_grad_()
