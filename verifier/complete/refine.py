"""Tighter intervals for a domain: within the part of it where its row can still be broken.

There the linear bound `g` of the row, multipliers of cuts included, is at most zero. So a neuron above its own linear
form `a` is above `a + t g` as well, for every `t >= 0`, and the best `t` may lift its least value over the box by a lot
(one half-space of Clip-and-Verify, Zhou et al. 2025; of the output's constraint as in INVPROP, Kotha et al. 2023).
What then follows is about that part alone: a bound above zero says that it is empty, not by how much the row holds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from verifier.bounding.entries import units
from verifier.complete.domains import Domains
from verifier.complete.relaxed import Relaxed, View
from verifier.complete.sites import Site
from verifier.numerics import TINY, flat, gamma

SHARE = 0.25  # of the memory, at most, for forms
PATIENCE = 0.1  # of the time that is left, at most, for these
ROWS = 256  # of one walk
KEPT = 384  # entries that are refined at once: those on which the rows rest most
FORMS, INPUTS = 32, 128  # of the sample by which multipliers are guessed
LEAST, MOST, HALVINGS = -4.0, 8.0, 10  # of their binary logarithms
TRIED = (0.1, 0.5, 0.9)  # quantiles of the guesses
NEAR = 0.5  # share of the box's effect on a row by which it is broken, below which refining pays; this is learned
WORTH = 0.1  # of what a bound lacks, gained on average: its children have the tighter intervals, too


@dataclass(frozen=True, eq=False)
class Forms:
    """`M` functions of the inputs' shares in [-1, 1] of their radii, at least `center + size * (slope @ share)`:
    `center (M,)`, `size (M,)`, and `slope (M, n)` with absolute values that sum to 1."""

    center: Tensor
    size: Tensor
    slope: Tensor

    @classmethod
    def of(cls, bound: Tensor, coefficient: Tensor, radius: Tensor) -> Self:
        """From proved least values `(M,)` over the box, and coefficients `(M, n)`."""
        slope = coefficient * radius
        size = slope.abs().sum(1)
        center = bound + size - gamma(slope.shape[1], bound.dtype) * (bound.abs() + 2 * size) - slope.shape[1] * TINY
        return cls(center, size, slope / size.clamp(min=torch.finfo(size.dtype).tiny).unsqueeze(1))

    def short(self) -> Self:
        """With slopes in single precision, and what their rounding can lose."""
        lost = 2 * torch.finfo(torch.float32).eps * self.size
        return replace(self, center=self.center - lost, slope=self.slope.float())

    def __getitem__(self, index: Tensor) -> Self:
        return type(self)(self.center[index], self.size[index], self.slope[index])

    @classmethod
    def joined(cls, parts: Sequence["Forms"]) -> Self:
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("center", "size", "slope")))

    def where(self, other: "Forms") -> tuple[Tensor, Tensor, Tensor]:
        """Proved least values `(N, M)` of these where one of `other (N,)` is at most zero; the multipliers `(N, Q)`
        that were tried, and which of them `(N, M)` it was."""
        level, slope = other.center / other.size, self.slope.to(other.slope)
        tried = self._multipliers(other, level).quantile(torch.tensor(TRIED, dtype=level.dtype), dim=1).T
        best = self.center.new_full((len(level), len(self.center)), -torch.inf)
        which = torch.zeros_like(best, dtype=torch.uint8)
        for i, t in enumerate(tried.unbind(1)):
            reach = torch.cdist(-t.unsqueeze(1) * other.slope, slope, p=1)
            gain = (t * level).unsqueeze(1)
            terms = reach + gain.abs() + t.unsqueeze(1) + 1
            lost = gamma(slope.shape[1], reach.dtype) * (self.center.abs() + 2 * self.size * terms) + TINY
            least = self.center + self.size * (gain - reach) - lost
            least = least.nan_to_num(-torch.inf, -torch.inf, -torch.inf)
            which[least > best] = i
            best = torch.maximum(best, least)
        return best, tried, which

    def _multipliers(self, other: "Forms", level: Tensor) -> Tensor:
        """Roughly the best ones `(N, F)` for a sample of these, in units of the sizes' ratio: where the concave sum
        `t * level - |slope + t * other.slope|` stops to rise."""
        some, inputs = (
            slice(None, None, max(1, n // k)) for n, k in zip(self.slope.shape, (FORMS, INPUTS), strict=True)
        )
        slope, row = self.slope[some, inputs].float(), other.slope[:, None, inputs].float()
        target = level.float().unsqueeze(1) * row.abs().sum(2)
        low = target.new_full((len(level), len(slope)), LEAST)
        high = torch.full_like(low, MOST)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rises = (row * (slope + 2.0 ** middle.unsqueeze(2) * row).sign()).sum(2) < target
            low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
        return 2.0 ** low.to(level.dtype)


@dataclass(frozen=True, eq=False)
class Tighter:
    """`N` domains with tighter intervals, and which of them are `empty (N,)`: hold nothing that breaks their row.

    That follows from the row's form in the domain as it was, and multipliers for it: for entry `place (K,)` from below,
    then from above, the one of `tried (N, Q)` that `which (N, 2K)` names, where there is something new `(N, 2K)`."""

    domains: Domains
    empty: Tensor
    place: Tensor
    tried: Tensor
    which: Tensor
    new: Tensor

    def __getitem__(self, index: Tensor) -> Self:
        tried, which, new = (x[index] for x in (self.tried, self.which, self.new))
        return type(self)(self.domains[index], self.empty[index], self.place, tried, which, new)


class Refinement:
    """For domains of one question over a box, with some of the `bytes` and of the time until `deadline`. `near` says
    how near to its end a domain must be; it is learned."""

    def __init__(self, relaxed: Relaxed, bytes: int, deadline: float) -> None:
        self.relaxed, self.bytes, self.deadline = relaxed, bytes, deadline
        self.near, self.first = NEAR, relaxed.count
        radius = relaxed.proving.state.region.box().radius.flatten()
        self.vary = radius.nonzero().flatten()
        self.radius = radius[self.vary]

    @cached_property
    def forms(self) -> Forms | None:
        """Of all entries from `first` on from below, then of their negatives: of the last sites, as many as there is
        memory and time for."""
        entries = int(SHARE * self.bytes) // (2 * 4 * max(len(self.vary), 1))  # two forms, four bytes a number
        until = time.monotonic() + PATIENCE * (self.deadline - time.monotonic())
        sides: list[tuple[Forms, Forms]] = []
        for site in reversed(self.relaxed.sites):
            both = self._forms(site, until) if self.relaxed.count - site.first <= entries else None
            if both is None:
                break
            sides.insert(0, both)
            self.first = site.first
        return Forms.joined([side[0] for side in sides] + [side[1] for side in sides]) if sides else None

    def lacks(self, view: View) -> Tensor:
        """How far each domain's bound is from zero, as a share of what its row varies by over the box, `(N,)`; infinite
        where it doesn't, or there are no forms."""
        name = self.relaxed.problem.model.graph.input.name
        if name not in view.seen:
            return torch.full((len(view.bound),), torch.inf)
        slope = flat(view.seen[name][0], 1).cpu()[:, self.vary]
        found = -view.bound.cpu() / (slope.abs() @ self.radius.to(slope)).clamp(min=1e-30)
        able = not bool((found < self.near).any()) or self.forms is not None
        return found if able else torch.full_like(found, torch.inf)

    def __call__(self, domains: Domains, scores: Tensor) -> Tighter:
        """With tighter intervals of the entries with the best `scores (N, n)`."""
        assert self.forms is not None
        bound, coefficient = self.relaxed.linear(domains)
        row = Forms.of(bound, flat(coefficient, 1)[:, self.vary], self.radius)
        count = self.relaxed.count - self.first
        best = scores[:, self.first :].sum(0).topk(min(KEPT, count)).indices
        least, tried, which = self.forms[torch.cat([best, best + count])].where(row)
        place = self.first + best
        lower, upper = self.relaxed.proving.ends(domains)
        before = torch.cat([lower[:, place], -upper[:, place]], dim=1)
        below, above = torch.maximum(before, least).chunk(2, dim=1)
        lower[:, place], upper[:, place] = below, -above
        tight = replace(domains, lower=half_below(lower), upper=-half_below(-upper))
        told = torch.cat([tight.lower[:, place], -tight.upper[:, place]], dim=1)
        crossed = (below > -above).repeat(1, 2)
        empty = (lower > upper).any(1)
        new = torch.where(empty.unsqueeze(1), crossed & (least > before), told > before)
        return Tighter(tight, empty, place, tried, which, new)

    def learn(self, lacks: Tensor, before: Tensor, after: Tensor) -> None:
        """From bounds `(N,)` before and after: up to where it pays."""
        edge = lacks > self.near / 2
        if bool(edge.any()):
            gained = (1 - after / before.clamp(max=-1e-30))[edge].clamp(0, 1)
            self.near *= 1.25 if float(gained.mean()) > WORTH else 0.7

    def _forms(self, site: Site, until: float) -> tuple[Forms, Forms] | None:
        """Of a site's entries, from below and above; None where that took too long."""
        state, name = self.relaxed.proving.state, self.relaxed.problem.model.graph.input.name
        node, parts = state.graph.by_name[site.name], []
        for index in site.index.split(ROWS):
            if time.monotonic() > until:
                return None
            seen: dict[str, Tensor] = {}
            with torch.no_grad():
                bound = state.backward().bound(site.name, units(node, index.unsqueeze(1), state), both=True, seen=seen)
            slope = flat(seen[name], 2)[:, 0, self.vary]
            both = zip(bound[:, 0].chunk(2), slope.chunk(2), strict=True)
            parts.append([Forms.of(side, coefficient, self.radius).short() for side, coefficient in both])
        return Forms.joined([part[0] for part in parts]), Forms.joined([part[1] for part in parts])


def half_below(x: Tensor) -> Tensor:
    """The greatest half-precision numbers that are not above `x`."""
    half = x.half()
    return torch.where(half.double() > x, torch.nextafter(half, torch.full_like(half, -torch.inf)), half)
