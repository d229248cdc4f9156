"""What linear bounds leave of boxes (Clip-and-Verify, 2025): of every clause the part where all of its rows can be
broken, cut down in turn by each row, and by the combination of rows that has the greatest minimum. A checker does less:
it uses each row once, and closes no clause by that.

A row is at least `base + sum(|coefficient| * t)` in its box, `t` from the end where it is least. All numbers that are
added are of one sign, so that what rounding loses is known: `GAMMA` of the sums.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.complete.boxes import Boxes
from verifier.numerics import TINY, flat, gamma, up

ROUNDS = 3  # each row is used so often
STEPS, RATE = 12, 2.0  # of the weights of a clause's rows


@dataclass(frozen=True, eq=False)
class Remainder:
    """Of `N` boxes the part `lower`, `upper (N, n)` in which all rows of one clause may be broken; empty where they
    cross."""

    lower: Tensor
    upper: Tensor

    @property
    def empty(self) -> Tensor:
        """`(N,)`."""
        return (self.lower > self.upper).any(1)


def clipped(boxes: Boxes, base: Tensor, coefficient: Tensor, clause: Tensor, once: bool = False) -> Boxes:
    """The boxes without what proves every open clause, and without the clauses that nothing is left of.

    Args:
        base: `(S, N)`.
        coefficient: `(S, N, *)`.
        clause: `(S,)`, the rows' clauses.
        once: only what a checker finds as well.
    """
    shape, slope = boxes.lower.shape, flat(coefficient, 2)
    whole = Remainder(flat(boxes.lower, 1), flat(boxes.upper, 1))
    low, high, open_ = whole.upper.clone(), whole.lower.clone(), boxes.open.clone()
    for k in range(open_.shape[1]):
        at, mine = open_[:, k].nonzero().flatten(), (clause == k).nonzero().flatten()
        if not len(at):
            continue
        rows = mine.unsqueeze(1), at
        rest = remaining(Remainder(whole.lower[at], whole.upper[at]), base[rows], slope[rows], once)
        if not once:
            open_[at, k] = ~rest.empty
        keep = open_[at, k].unsqueeze(1)
        low[at] = torch.where(keep, torch.minimum(low[at], rest.lower), low[at])
        high[at] = torch.where(keep, torch.maximum(high[at], rest.upper), high[at])
    return replace(boxes, lower=low.reshape(shape), upper=high.reshape(shape), open=open_)


def remaining(whole: Remainder, base: Tensor, slope: Tensor, once: bool) -> Remainder:
    """What rows `base (S, N)`, `slope (S, N, n)` of one clause leave of boxes."""
    if len(base) > 1 and not once:
        best, direction = combined(whole, base, slope)
        base, slope = torch.cat([base, best.unsqueeze(0)]), torch.cat([slope, direction.unsqueeze(0)])
    rest = whole
    for _ in range(1 if once else ROUNDS):
        now = raised(whole, rest, base, slope)
        room = up((-now).clamp(min=0).unsqueeze(2) / slope.abs(), 2).nan_to_num(torch.inf)
        high = torch.where(slope > 0, up(rest.lower + room, 2), rest.upper).amin(0)
        low = torch.where(slope < 0, -up(room - rest.upper, 2), rest.lower).amax(0)
        gone = (now > 0).any(0).unsqueeze(1)
        lower, upper = torch.maximum(low, rest.lower), torch.minimum(high, rest.upper)
        rest = Remainder(torch.where(gone, torch.inf, lower), torch.where(gone, -torch.inf, upper))
    return rest


def raised(whole: Remainder, rest: Remainder, base: Tensor, slope: Tensor) -> Tensor:
    """The rows' bounds `(S, N)` in what is left of the boxes: there the ends where they are least have moved."""
    moved = torch.where(slope > 0, rest.lower - whole.lower, whole.upper - rest.upper)
    gain = torch.where(slope != 0, slope.abs() * moved, 0.0).sum(2)
    return lessened(base + gain, gain + base.abs(), slope.shape[2])


def combined(whole: Remainder, base: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """A combination of rows with weights of at least zero, its `base (N,)` and `slope (N, n)`: where all rows can be
    broken at once, it can. Weights are guesses: a few steps upwards on the least value of the combination."""
    width = whole.upper - whole.lower
    plus, minus = slope.clamp(min=0), (-slope).clamp(min=0)
    log = torch.zeros_like(base)
    best = torch.full_like(base[0], -torch.inf)
    chosen = torch.softmax(log, 0)
    for step in range(STEPS):
        weight = torch.softmax(log, 0)
        rising, falling = (weight.unsqueeze(2) * plus).sum(0), (weight.unsqueeze(2) * minus).sum(0)
        value = (weight * base).sum(0) + (width * torch.minimum(rising, falling)).sum(1)
        better = value > best
        best, chosen = torch.where(better, value, best), torch.where(better, weight, chosen)
        pull = base + (width * torch.where(rising < falling, plus, minus)).sum(2)
        pull = pull - (weight * pull).sum(0)
        log = log + RATE / (1 + step) ** 0.5 * pull / pull.abs().amax(0).clamp(min=torch.finfo(pull.dtype).tiny)
    rising, falling = (chosen.unsqueeze(2) * plus).sum(0), (chosen.unsqueeze(2) * minus).sum(0)
    gain = (width * torch.minimum(rising, falling)).sum(1)
    bound = lessened((chosen * base).sum(0) + gain, gain + (chosen * base.abs()).sum(0), sum(slope.shape[::2]))
    direction = rising - falling
    size = lessened(direction.abs(), rising + falling, len(base)).clamp(min=0)  # less steep: less is clipped
    return bound, direction.sign() * size


def lessened(value: Tensor, size: Tensor, terms: int) -> Tensor:
    """Below what rounding made of a sum of `terms` numbers whose absolute values sum to `size`."""
    return value - (2 * gamma(terms, value.dtype) * size + TINY)
