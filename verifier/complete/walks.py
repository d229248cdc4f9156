"""Bounds of domains in one dtype and on one device: CROWN lines from the root's intervals, with multipliers for cuts
(β-CROWN, Wang et al. 2021, theorem 3.1).

For `sign * (z - point) >= 0` and `beta >= 0` a row is at least `row - beta * sign * (z - point)`: whatever the
multiplier, the bound is sound in its domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verifier.bounding.coefficient import Dense
from verifier.bounding.state import State
from verifier.complete.domains import Domains
from verifier.complete.sites import Site
from verifier.interval import Interval
from verifier.numerics import flat, gamma, shaped
from verifier.properties import Specification
from verifier.relaxations.relaxation import Lines, Relaxation, Slopes

SIDES = ("lower", "upper")
Shares = Mapping[tuple[str, str], Tensor]  # of a node and a side, slopes `(N, n)` in [0, 1] of their ranges


@dataclass(frozen=True, eq=False)
class Frame:
    """What does not change while domains are optimised: intervals of the sites; of each reader, the slopes to choose
    from, and a guess for a side that has no choice."""

    tables: Mapping[str, Interval]
    ranges: Mapping[str, tuple[Slopes, Slopes]]
    guesses: Mapping[str, Slopes]


class Walks:
    """Of one question: what is known of its network, and the rows `(K, R, *out)` of its clauses. Domains are given on
    the device of the state."""

    def __init__(self, state: State, sites: Sequence[Site], specification: Specification) -> None:
        self.state, self.output = state, state.graph.output
        self.like = state.region.box().lower
        self.sites = [site.of(state) for site in sites]
        self.count = sum(len(site.index) for site in sites)
        asked = specification.to(self.like.dtype, self.like.device)
        self.rows, self.offset = by_clause(asked.rows[:, 0], asked.offset[:, 0], asked.clause)

    def relaxation(self, op: object) -> Relaxation:
        return self.state.relaxations[type(op)]  # type: ignore[index]

    def bound(
        self,
        domains: Domains,
        lines: Mapping[str, Lines],
        beta: Tensor,
        weight: Tensor,
        seen: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Of each domain's clause, `(N,)`: the sum of its rows with `weight (N, R)`, with multipliers `beta (N, D)`."""
        state, single = self.state, self.rows.shape[1] == 1
        rows, offset = self.rows[domains.clause], self.offset[domains.clause]
        part = (slice(None), 0)
        row = rows[part] if single else shaped(torch.einsum("nr,nro->no", weight, flat(rows, 2)), 1, rows.shape[2:])
        total = offset[part] if single else (weight * offset).sum(1)
        force = beta * domains.sign.to(self.like)
        total = total + (force * domains.point.to(self.like)).sum(1)
        losses = {name: state.loss(name, line) for name, line in lines.items()} if state.rounding else None
        walk = state.backward(dict(lines), multipliers=self._pulls(domains, force), losses=losses)
        bound = walk.bound(self.output, Dense(row.unsqueeze(0)), seen=seen)[0] + total
        return bound if not state.rounding else bound - self._lost(domains, force, weight, rows, offset, bound)

    def ends(self, domains: Domains) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of every entry that can be cut, within the domains: `(N, n)`."""
        place = torch.where(domains.place >= 0, domains.place, self.count)
        sides = []
        for side, wanted, how, tighter in (("lower", 1, "amax", torch.maximum), ("upper", -1, "amin", torch.minimum)):
            ends = [flat(getattr(self.state.table[s.name], side), 1)[:, s.index] for s in self.sites]
            known = torch.cat([*ends, self.like.new_zeros(1, 1)], dim=1).expand(len(domains), -1)
            clipped = getattr(domains, side)
            if clipped.shape[1]:
                known = torch.cat([tighter(known[:, :-1], clipped.to(self.like)), known[:, -1:]], dim=1)
            point = torch.where(domains.sign == wanted, domains.point.to(self.like), known.gather(1, place))
            sides.append(known.scatter_reduce(1, place, point, how)[:, :-1])
        return sides[0], sides[1]

    def intervals(self, domains: Domains) -> dict[str, Interval]:
        """The sites' intervals `(N, *)` within the domains."""
        both, tables = self.ends(domains), {}
        for site in self.sites:
            known = self.state.table[site.name]
            sides = [
                flat(getattr(known, side), 1).expand(len(domains), -1).index_copy(1, site.index, inside[:, site.span])
                for side, inside in zip(SIDES, both, strict=True)
            ]
            lower, upper = (side.reshape(-1, *known.lower.shape[1:]) for side in sides)
            tables[site.name] = Interval(lower, upper)
        return tables

    def frame(self, domains: Domains) -> Frame:
        """What lines in the domains are made of."""
        tables, ranges, guesses = self.intervals(domains), {}, {}
        for site in self.sites:
            for reader in site.readers:
                x, relaxation = tables[site.name], self.relaxation(reader.op)
                ranges[reader.name] = relaxation.range(reader.op, x)
                if any((reader.name, side) not in domains.share for side in SIDES):
                    guesses[reader.name] = relaxation.guess(reader.op, x)
        return Frame(tables, ranges, guesses)

    def lines(self, frame: Frame, share: Shares) -> dict[str, Lines]:
        """Those of the nodes that read a site; elsewhere the root's are as good."""
        lines = {}
        for site in self.sites:
            x = frame.tables[site.name]
            for reader in site.readers:
                ends = {}
                for side in SIDES:
                    if (reader.name, side) not in share:
                        ends[side] = getattr(frame.guesses[reader.name], side)
                        continue
                    low, high = (getattr(end, side) for end in frame.ranges[reader.name])
                    full = x.lower.new_zeros(flat(x.lower, 1).shape)
                    full = full.index_copy(1, site.index, share[reader.name, side]).reshape(x.lower.shape)
                    ends[side] = low + full * (high - low)
                slopes = Slopes(ends["lower"], ends["upper"])
                lines[reader.name] = self.relaxation(reader.op).lines(reader.op, x, slopes)
        return lines

    def _pulls(self, domains: Domains, force: Tensor) -> dict[str, Tensor]:
        """What the multipliers add to the coefficients of each site: `(1, N, *)`."""
        if not domains.place.shape[1]:
            return {}
        place = torch.where(domains.place >= 0, domains.place, self.count)
        pull = force.new_zeros(len(domains), self.count + 1).scatter_add(1, place, -force)
        used = set(domains.place.unique().tolist())
        pulls = {}
        for site in self.sites:
            if used.isdisjoint(range(site.span.start, site.span.stop)):
                continue
            shape = self.state.table[site.name].lower.shape[1:]
            full = force.new_zeros(len(domains), torch.Size(shape).numel())
            full = full.index_copy(1, site.index, pull[:, site.span])
            pulls[site.name] = full.reshape(1, len(domains), *shape)
        return pulls

    def _lost(
        self, domains: Domains, force: Tensor, weight: Tensor, rows: Tensor, offset: Tensor, bound: Tensor
    ) -> Tensor:
        """Rounding of what the walk was given: the weighted row, and the sums of constants."""
        reach = flat(self.state.table[self.output].magnitude, 1)
        mixed = (torch.einsum("nr,nro->no", weight, flat(rows, 2).abs()) * reach).sum(1)
        pulled = (force.abs() * (domains.point.abs() + self._reach(domains))).sum(1)
        sums = pulled + (weight * offset.abs()).sum(1) + bound.abs()
        terms = rows.shape[1] + force.shape[1] + reach.shape[1]
        return gamma(terms, bound.dtype) * (sums + (mixed if rows.shape[1] > 1 else 0.0))

    def _reach(self, domains: Domains) -> Tensor:
        """The largest absolute value of each entry that was cut: `(N, D)`."""
        ends = [flat(self.state.table[site.name].magnitude, 1)[0, site.index] for site in self.sites]
        return torch.cat([*ends, self.like.new_zeros(1)])[domains.place]


def by_clause(rows: Tensor, offset: Tensor, clause: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows `(S, *out)` as `(K, R, *out)`, offsets as `(K, R)`; clauses with fewer rows repeat their first."""
    groups = [[i for i, c in enumerate(clause) if c == k] for k in range(max(clause) + 1)]
    most = max(map(len, groups))
    index = torch.tensor([group + [group[0]] * (most - len(group)) for group in groups], device=rows.device)
    return rows[index], offset[index]
