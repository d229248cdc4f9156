"""Bounds of domains: CROWN lines from the root's intervals, with multipliers for cuts (β-CROWN, Wang et al. 2021,
theorem 3.1), slopes, and weights of a clause's rows, all optimised together; and the same bound as a proof.

For `sign * (z - point) >= 0` and `beta >= 0` a row is at least `row - beta * sign * (z - point)`: whatever the
multiplier, the bound is sound in its domain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.bounding.coefficient import Dense
from verifier.bounding.notes import packed, unpacked
from verifier.bounding.state import State
from verifier.complete.domains import Domains
from verifier.graph.graph import Node
from verifier.graph.op import Affine, Input
from verifier.interval import Interval
from verifier.numerics import gamma
from verifier.problem import Problem
from verifier.relaxations.relaxation import Lines, Slopes

SIDES = ("lower", "upper")


@dataclass(frozen=True, eq=False)
class Site:
    """A node that nonlinear ones read: its entries `index (n,)` can be cut; they count from `first` over all sites."""

    name: str
    readers: tuple[Node, ...]
    index: Tensor
    first: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + len(self.index))


@dataclass(frozen=True, eq=False)
class View:
    """What a heuristic sees of `N` domains: their intervals and lines, and the coefficients `(1, N, *)` of the walk."""

    domains: Domains
    tables: Mapping[str, Interval]
    lines: Mapping[str, Lines]
    seen: Mapping[str, Tensor]
    bound: Tensor


@dataclass(frozen=True, eq=False)
class Frame:
    """What does not change while domains are optimised: intervals of the sites; of each reader, the slopes to choose
    from, and a guess for a side that has no choice."""

    tables: Mapping[str, Interval]
    ranges: Mapping[str, tuple[Slopes, Slopes]]
    guesses: Mapping[str, Slopes]


class Relaxed:
    """One question, with proven intervals of all its nodes."""

    def __init__(
        self, problem: Problem, table: Mapping[str, Interval], dtype: torch.dtype, deployed: torch.dtype | None
    ):
        self.problem = problem
        self.search = known(State(problem.model.graph.to(dtype), problem.region.to(dtype, "cpu"), False), table)
        region = problem.region.to(torch.float64, "cpu")
        self.proving = known(State(problem.model.graph, region, True, deployed=deployed), table)
        self.sites = sites(self.proving)
        self.count = sum(len(site.index) for site in self.sites)
        self.output = problem.model.graph.output
        specification = problem.specification.to(torch.float64, "cpu")
        self.rows, self.offset = by_clause(specification.rows[:, 0], specification.offset[:, 0], specification.clause)
        self.start = {(reader.name, side): self._start(site, reader, side) for site, reader, side in self._slopes()}

    def optimised(self, domains: Domains, steps: int, stop: Callable[[], bool], lr: float = 0.1) -> Domains:
        """The domains with better multipliers and bounds, by `steps` of Adam."""
        dtype = self.search.region.box().lower.dtype
        share = {key: unpacked(value, dtype).requires_grad_() for key, value in domains.share.items()}
        beta = domains.beta.to(dtype).clone().requires_grad_()
        weight = domains.weight.to(dtype).clamp(min=1e-9).log().requires_grad_()
        rates = [{"params": list(share.values()), "lr": 2 * lr}, {"params": [beta], "lr": lr}]
        adam = torch.optim.Adam([*rates, {"params": [weight], "lr": lr}], betas=(0.3, 0.99))
        best = replace(domains, bound=torch.full_like(domains.bound, -torch.inf))
        frame = self._frame(self.search, domains)
        for step in range(steps + 1):
            with torch.enable_grad():
                lines = self._lines(self.search, frame, share)
                bound = self._walk(self.search, domains, lines, beta, weight.softmax(1), None)
            better = (bound > best.bound).unsqueeze(1)
            best = replace(
                best,
                beta=torch.where(better, beta.detach(), best.beta),
                weight=torch.where(better, weight.detach().softmax(1), best.weight),
                share={key: torch.where(better, packed(value), best.share[key]) for key, value in share.items()},
                bound=torch.where(better[:, 0], bound.detach().double(), best.bound),
            )
            if step == steps or stop() or bool((best.bound > 0).all()):
                break
            adam.zero_grad()
            (-torch.where(bound.isfinite(), bound, 0.0).sum()).backward()
            adam.step()
            beta.data.clamp_(min=0)
            for value in share.values():
                value.data.clamp_(0, 1)
        return replace(best, bound=torch.maximum(best.bound, domains.bound))

    def view(self, domains: Domains) -> View:
        """The domains' bounds as their multipliers stand, with all that led to them."""
        dtype = self.search.region.box().lower.dtype
        share = {key: unpacked(value, dtype) for key, value in domains.share.items()}
        seen: dict[str, Tensor] = {}
        with torch.no_grad():
            frame = self._frame(self.search, domains)
            lines = self._lines(self.search, frame, share)
            bound = self._walk(self.search, domains, lines, domains.beta.to(dtype), domains.weight, seen)
        return View(domains, frame.tables, lines, seen, bound)

    def proved(self, domains: Domains) -> Tensor:
        """The same bounds in float64, less all that rounding could have done: `(N,)`."""
        return self.linear(domains)[0]

    def linear(self, domains: Domains) -> tuple[Tensor, Tensor]:
        """Proved bounds `(N,)`, and the coefficients `(N, *in)` of the inputs that they come from: zero where no path
        leads there."""
        share = {key: unpacked(value, torch.float64) for key, value in domains.share.items()}
        weight = domains.weight.double()
        weight = weight / weight.sum(1, keepdim=True)  # in float32 they are not quite 1 together
        seen: dict[str, Tensor] = {}
        with torch.no_grad():
            lines = self._lines(self.proving, self._frame(self.proving, domains), share)
            bound = self._walk(self.proving, domains, lines, domains.beta.double(), weight, seen)
        name = self.proving.graph.input.name
        return bound, seen[name][0] if name in seen else bound.new_zeros(len(bound), *self.proving.region.shape)

    def _walk(
        self,
        state: State,
        domains: Domains,
        lines: Mapping[str, Lines],
        beta: Tensor,
        weight: Tensor,
        seen: dict[str, Tensor] | None,
    ) -> Tensor:
        like = state.region.box().lower
        single = self.rows.shape[1] == 1
        rows, offset = self.rows[domains.clause].to(like), self.offset[domains.clause].to(like)
        part = (slice(None), 0)
        row = rows[part] if single else torch.einsum("nr,nro->no", weight, rows.flatten(2)).unflatten(1, rows.shape[2:])
        total = offset[part] if single else (weight * offset).sum(1)
        force = beta * domains.sign.to(like)
        total = total + (force * domains.point.to(like)).sum(1)
        losses = {name: state.loss(name, line) for name, line in lines.items()} if state.rounding else None
        walk = state.backward(dict(lines), multipliers=self._pulls(domains, force), losses=losses)
        bound = walk.bound(self.output, Dense(row.unsqueeze(0)), seen=seen)[0] + total
        return bound if not state.rounding else bound - self._lost(state, domains, force, weight, rows, offset, bound)

    def _lost(
        self, state: State, domains: Domains, force: Tensor, weight: Tensor, rows: Tensor, offset: Tensor, bound: Tensor
    ) -> Tensor:
        """Rounding of what the walk was given: the weighted row, and the sums of constants."""
        reach = state.table[self.output].magnitude.flatten(1)
        mixed = (torch.einsum("nr,nro->no", weight, rows.flatten(2).abs()) * reach).sum(1)
        pulled = (force.abs() * (domains.point.abs() + self._reach(state, domains))).sum(1)
        sums = pulled + (weight * offset.abs()).sum(1) + bound.abs()
        terms = rows.shape[1] + force.shape[1] + reach.shape[1]
        return gamma(terms, bound.dtype) * (sums + (mixed if rows.shape[1] > 1 else 0.0))

    def _reach(self, state: State, domains: Domains) -> Tensor:
        """The largest absolute value of each entry that was cut: `(N, D)`."""
        ends = [state.table[site.name].magnitude.flatten(1)[0, site.index] for site in self.sites]
        return torch.cat([*ends, torch.zeros(1, dtype=torch.float64)])[domains.place]

    def ends(self, state: State, domains: Domains) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of every entry that can be cut, within the domains: `(N, n)`."""
        like = state.region.box().lower
        place = torch.where(domains.place >= 0, domains.place, self.count)
        sides = []
        for side, wanted, how, tighter in (("lower", 1, "amax", torch.maximum), ("upper", -1, "amin", torch.minimum)):
            ends = [getattr(state.table[s.name], side).flatten(1)[:, s.index] for s in self.sites]
            known = torch.cat([*ends, like.new_zeros(1, 1)], dim=1).expand(len(domains), -1)
            clipped = getattr(domains, side)
            if clipped.shape[1]:
                known = torch.cat([tighter(known[:, :-1], clipped.to(like)), known[:, -1:]], dim=1)
            point = torch.where(domains.sign == wanted, domains.point.to(like), known.gather(1, place))
            sides.append(known.scatter_reduce(1, place, point, how)[:, :-1])
        return sides[0], sides[1]

    def intervals(self, state: State, domains: Domains) -> dict[str, Interval]:
        """The sites' intervals `(N, *)` within the domains."""
        both, tables = self.ends(state, domains), {}
        for site in self.sites:
            shape = state.table[site.name].lower.shape
            ends = [
                getattr(state.table[site.name], side)
                .flatten(1)
                .expand(len(domains), -1)
                .index_copy(1, site.index, inside[:, site.span])
                for side, inside in zip(SIDES, both, strict=True)
            ]
            lower, upper = (end.reshape(-1, *shape[1:]) for end in ends)
            tables[site.name] = Interval(lower, upper)
        return tables

    def _frame(self, state: State, domains: Domains) -> Frame:
        tables, ranges, guesses = self.intervals(state, domains), {}, {}
        for site in self.sites:
            for reader in site.readers:
                op, x = state.graph.by_name[reader.name].op, tables[site.name]  # the site's op is in float64
                relaxation = state.relaxations[type(op)]
                ranges[reader.name] = relaxation.range(op, x)
                if any((reader.name, side) not in self.start for side in SIDES):
                    guesses[reader.name] = relaxation.guess(op, x)
        return Frame(tables, ranges, guesses)

    def _lines(self, state: State, frame: Frame, share: Mapping[tuple[str, str], Tensor]) -> dict[str, Lines]:
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
                    full = x.lower.new_zeros(x.lower.flatten(1).shape)
                    full = full.index_copy(1, site.index, share[reader.name, side]).reshape(x.lower.shape)
                    ends[side] = low + full * (high - low)
                op = state.graph.by_name[reader.name].op
                lines[reader.name] = state.relaxations[type(op)].lines(op, x, Slopes(ends["lower"], ends["upper"]))
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
            shape = self.search.table[site.name].lower.shape[1:]
            full = force.new_zeros(len(domains), torch.Size(shape).numel())
            full = full.index_copy(1, site.index, pull[:, site.span])
            pulls[site.name] = full.reshape(1, len(domains), *shape)
        return pulls

    def _slopes(self) -> list[tuple[Site, Node, str]]:
        """The slopes that can be chosen."""
        found = []
        for site in self.sites:
            x = self.search.table[site.name]
            for reader in site.readers:
                ranges = self.search.relaxations[type(reader.op)].range(reader.op, x)
                for side in SIDES:
                    low, high = (getattr(end, side).flatten(1)[:, site.index] for end in ranges)
                    if bool((low < high).any()):
                        found.append((site, reader, side))
        return found

    def _start(self, site: Site, reader: Node, side: str) -> Tensor:
        """The share `(1, n)` of the root's own slope."""
        x, relaxation = self.search.table[site.name], self.search.relaxations[type(reader.op)]
        low, high = (getattr(end, side).flatten(1)[:, site.index] for end in relaxation.range(reader.op, x))
        own = getattr(self.search.lines[reader.name].slopes, side).flatten(1)[:, site.index]
        return packed(((own - low) / (high - low).clamp(min=1e-30)).nan_to_num(0.0).clamp(0, 1))


def known(state: State, table: Mapping[str, Interval]) -> State:
    """A state that knows these intervals."""
    like = state.region.box().lower
    for node in state.graph.nodes:
        state.enter(node)
        state.improve(node.name, table[node.name].to(like.dtype))
    return state


def sites(state: State) -> list[Site]:
    """All nodes on the way to the output with entries that some reader does not see as linear: a walk never meets the
    others, and would drop what their multipliers add."""
    readers: dict[str, list[Node]] = {}
    for node in state.graph.until(state.graph.output).nodes:
        if not isinstance(node.op, Affine | Input):
            readers.setdefault(node.inputs[0], []).append(node)
    found, first = [], 0
    for name, nodes in readers.items():
        x = state.table[name]
        linear = torch.ones_like(x.lower, dtype=torch.bool)
        for node in nodes:
            linear &= state.relaxations[type(node.op)].linear(node.op, x)
        index = (~linear).flatten(1)[0].nonzero().flatten()
        if len(index):
            found.append(Site(name, tuple(nodes), index, first))
            first += len(index)
    return found


def by_clause(rows: Tensor, offset: Tensor, clause: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows `(S, *out)` as `(K, R, *out)`, offsets as `(K, R)`; clauses with fewer rows repeat their first."""
    groups = [[i for i, c in enumerate(clause) if c == k] for k in range(max(clause) + 1)]
    most = max(map(len, groups))
    index = torch.tensor([group + [group[0]] * (most - len(group)) for group in groups])
    return rows[index], offset[index]
