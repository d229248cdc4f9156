"""Intervals of what nonlinear nodes read, tightened layer by layer: each end is what a small search of its own proves.

Tjeng et al. 2019 (section 4.2.2) do so with a MILP for each end; here all ends of a layer are searched together, over
the same linear bounds as the question itself. What a layer gains makes every bound behind it tighter.
"""

import time
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from verifier.bounding.chunks import rows_at_once
from verifier.bounding.entries import units
from verifier.bounding.state import State
from verifier.complete.branching.babsr import Babsr
from verifier.complete.branching.branching import Branching
from verifier.complete.domains import Domains, roots
from verifier.complete.growth import Activations, Sweep, halves
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Work
from verifier.complete.sites import Site
from verifier.graph.graph import Node
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.properties import Specification

FIRST, STEPS = 6, 1  # of Adam, before anything is cut, and after each cut: many cuts are worth more than good bounds
RATE = 0.05
ENTRIES = 128  # whose two ends are searched at once, at most


@dataclass(frozen=True)
class Sharpening:
    """Each end is searched for `rounds` rounds, that cut one domain each: the worst."""

    rounds: int = 24
    branching: Branching = field(default_factory=Babsr)

    def __call__(self, relaxed: Relaxed, scores: Tensor, work: Work, sweep: Sweep | None = None) -> dict[str, Interval]:
        """Intervals of all nodes, within those that are known; entries with great `scores (n,)` come first. `sweep`
        keeps what proves them."""
        return _Run(self, relaxed, scores, work, sweep).table()


class _Run:
    def __init__(
        self, method: Sharpening, relaxed: Relaxed, scores: Tensor, work: Work, sweep: Sweep | None = None
    ) -> None:
        self.method, self.relaxed, self.scores, self.work, self.sweep = method, relaxed, scores, work, sweep
        known = relaxed.proving.state
        self.state = State(known.graph, known.region, True, known.relaxations, deployed=known.deployed)
        self.at_once = min(ENTRIES, max(1, relaxed.at_once(work.bytes) // 4))  # two ends, two children

    def table(self) -> dict[str, Interval]:
        known, state = self.relaxed.proving, self.state
        wanted = {site.name: site for site in known.sites if site.name not in known.state.hull}
        count = len(wanted)
        for node in state.graph.nodes:
            state.enter(node)
            state.improve(node.name, known.state.table[node.name])
            if node.name in wanted:
                self.work.note(f"sharpening: layer {count - len(wanted) + 1} of {count}")
                self._site(wanted[node.name], node, time.monotonic() + self.work.seconds / len(wanted))
                del wanted[node.name]
        if self.sweep is not None:
            self.sweep.notes.lines(state.lines, {node.name: node.op for node in state.graph.nodes})
        return state.table

    def _site(self, site: Site, node: Node, until: float) -> None:
        """Better intervals of the site's entries: by a walk each, then by searches, the most important first."""
        index = self._loose(site)
        if not len(index):
            return
        if self.sweep is not None:
            self.sweep.node(node.name)
        for part in index.split(rows_at_once(self.state, node, False, self.work.bytes)):
            if self.work.late():
                return
            with torch.no_grad():
                rows = units(node, part.unsqueeze(1), self.state)
                self._improve(node.name, part, self.state.backward().bound(node.name, rows, both=True)[:, 0])
        index = self._loose(site)
        while len(index) and time.monotonic() < until:
            part, index = index[: self.at_once], index[self.at_once :]
            self._improve(node.name, part, self._searched(site, node, part, until))

    def _loose(self, site: Site) -> Tensor:
        """The entries that some reader does not see as linear, those with great scores first."""
        loose = ~self._linear(site, self.state.table[site.name])[site.index]
        order = self.scores[site.span].argsort(descending=True)
        return site.index[order[loose[order]]]

    def _linear(self, site: Site, x: Interval) -> Tensor:
        """Which entries `(size,)` all readers see as linear."""
        linear = torch.ones_like(x.lower, dtype=torch.bool)
        for reader in site.readers:
            linear &= self.state.relaxations[type(reader.op)].linear(reader.op, x)
        return flat(linear, 1)[0]

    def _improve(self, name: str, index: Tensor, least: Tensor) -> None:
        self.state.improve(name, self._with(name, index, least))

    def _with(self, name: str, index: Tensor, least: Tensor) -> Interval:
        """A node's interval, where entries `index (n,)`, and then their negatives, are at least `least (2n,)`."""
        x = self.state.table[name]
        lower, upper = flat(x.lower, 1).clone(), flat(x.upper, 1).clone()
        below, above = least.chunk(2)
        lower[0, index], upper[0, index] = below, -above
        return Interval(lower.reshape_as(x.lower), upper.reshape_as(x.upper))

    def _searched(self, site: Site, node: Node, index: Tensor, until: float) -> Tensor:
        """Proved least values of the entries, then of their negatives: `(2n,)`."""
        asked = self._question(node, index)
        relaxed = Relaxed(asked, self.state.table, self.work.dtype, self.state.deployed, self.work.device)
        count, late = 2 * len(index), lambda: time.monotonic() > until
        growth = Activations(relaxed, torch.arange(count)) if self.sweep is not None else None
        leaves = relaxed.optimised(roots(torch.arange(count), torch.ones(count, 1), relaxed.start), FIRST, late)
        for _ in range(self.method.rounds):
            chosen = self._worst(site, index, leaves)
            if late() or not relaxed.sites or not len(chosen):
                break
            place, point = (x.cpu() for x in self.method.branching.choose(relaxed, relaxed.view(leaves[chosen])))
            cut = place >= 0
            if not bool(cut.any()):
                break
            children = halves(leaves[chosen[cut]], place[cut], point[cut], growth)
            rest = torch.ones(len(leaves), dtype=torch.bool)
            rest[chosen[cut]] = False
            leaves = leaves[rest].joined(relaxed.optimised(children, STEPS, late, RATE))
        parts = torch.arange(len(leaves)).split(4 * self.at_once)
        ends = least(leaves.clause, torch.cat([relaxed.proved(leaves[part]) for part in parts]), count)
        if self.sweep is not None and growth is not None:
            growth.close(leaves[self._new(node.name, index, ends)[leaves.clause]])
            self.sweep.lemma(node.name, index, growth)
        return ends

    def _new(self, name: str, index: Tensor, ends: Tensor) -> Tensor:
        """Which of the `ends (2n,)` of entries say more than is known."""
        x = self.state.table[name]
        return ends > torch.cat([flat(x.lower, 1)[0, index], -flat(x.upper, 1)[0, index]])

    def _question(self, node: Node, index: Tensor) -> Problem:
        graph = self.state.graph.until(node.name)
        rows = units(node, index.unsqueeze(1), self.state).with_negative().dense()
        zeros = rows.new_zeros(len(rows), 1)
        problem = self.relaxed.problem
        return replace(
            problem,
            model=replace(problem.model, graph=graph),
            specification=Specification(rows, zeros, tuple(range(len(rows)))),
        )

    def _worst(self, site: Site, index: Tensor, leaves: Domains) -> Tensor:
        """The leaves on which ends rest, where these still matter: some reader does not see the entry as linear."""
        ends = least(leaves.clause, leaves.bound, 2 * len(index))
        told = self._with(site.name, index, ends).intersect(self.state.table[site.name])
        done = self._linear(site, told)[index].repeat(2)
        return ((leaves.bound == ends[leaves.clause]) & ~done[leaves.clause]).nonzero().flatten()


def least(clause: Tensor, bound: Tensor, count: int) -> Tensor:
    """Of each clause the least bound: `(count,)`."""
    return torch.full((count,), torch.inf, dtype=bound.dtype).scatter_reduce(0, clause, bound, "amin")
