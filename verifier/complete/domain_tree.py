"""One tree of domains: they are cut, refined and bounded, and leave as they are proved."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from verifier.complete.branching.branching import Branching
from verifier.complete.domains import Domains
from verifier.complete.frontier import Frontier
from verifier.complete.growth import Activations, halves
from verifier.complete.probes import RegionProbes
from verifier.complete.refine import Refinement
from verifier.complete.relaxed import Relaxed, View
from verifier.complete.search import Work
from verifier.verdict import Falsified

LAST = 60  # steps for a leaf


class DomainTree:
    """Below the roots `first`, within the intervals of `relaxed`. `margin` is the least that was proved; `stuck` are
    leaves that nothing decided; `by_lp` says that an LP closed one, for which a certificate has no place."""

    def __init__(
        self,
        relaxed: Relaxed,
        first: Domains,
        margin: float,
        branching: Branching,
        probes: RegionProbes,
        growth: Activations | None,
        refinement: Refinement | None,
    ) -> None:
        self.relaxed, self.first, self.margin, self.branching = relaxed, first, margin, branching
        self.probes, self.growth, self.refinement = probes, growth, refinement
        self.stuck: Domains | None = None
        self.by_lp = False
        self.frontier = Frontier(self._unproved(first))

    def open(self) -> Iterator[Domains]:
        yield from self.frontier.batches
        if self.stuck is not None:
            yield self.stuck

    def worst(self) -> float:
        """The least bound of what is open."""
        return min((float(domains.bound.min()) for domains in self.open()), default=torch.inf)

    def again(self) -> None:
        """Leaves that were left have another chance: time may have been all that they lacked."""
        if self.stuck is not None:
            self.frontier.push(self.stuck)
            self.stuck = None

    def grow(self, count: int, steps: int, work: Work) -> int:
        """Cut up to `count` of the worst domains, and bound their children by `steps`. How many were cut?"""
        taken = self.frontier.pop(count)
        self.frontier.push(self._unproved(self._children(taken, steps, work)))
        return len(taken)

    def _children(self, taken: Domains, steps: int, work: Work) -> Domains:
        view = self.relaxed.view(taken)
        self.probes.minima(view)
        if self.refinement is not None:
            taken = self._refined(self.refinement, taken, view)
            if not len(taken):
                return taken
            view = self.relaxed.view(taken)
        if not self.relaxed.sites:
            place, point = torch.full((len(taken),), -1), torch.zeros(len(taken), dtype=torch.float64)
        else:
            place, point = (x.cpu() for x in self.branching.choose(self.relaxed, view))
        leaf = place < 0
        for i in leaf.nonzero().flatten():
            self._leaf(taken[i.reshape(1)], work)
        taken, place, point = taken[~leaf], place[~leaf], point[~leaf]
        return self._optimised(halves(taken, place, point, self.growth), steps, work)

    def _refined(self, refinement: Refinement, taken: Domains, view: View) -> Domains:
        """What is left of the domains, those near to their end within tighter intervals."""
        lacks = refinement.lacks(view)
        near = (lacks < refinement.near).nonzero().flatten()
        if not len(near):
            return taken
        found = refinement(taken[near], self.branching.scores(self.relaxed, view).cpu()[near])
        tight, empty = found.domains, found.empty
        if self.growth is not None:
            self.growth.refine(found)
        if bool(empty.any()):
            self.margin = min(self.margin, 0.0)
        after = self.relaxed.view(tight).bound.cpu()
        refinement.learn(lacks[near], view.bound.cpu()[near], after)
        tight = replace(tight, bound=torch.maximum(tight.bound, after.double()))
        far = torch.ones(len(taken), dtype=torch.bool)
        far[near] = False
        return self._unproved(tight[~empty]).joined(taken[far])

    def _leaf(self, leaf: Domains, work: Work) -> None:
        """Nothing is left to cut: more steps, or an LP, decide."""
        if work.late():
            self._stay(leaf)
            return
        leaf = self._optimised(leaf, LAST, work)
        if self.probes.found is not None or not len(self._unproved(leaf)):
            return
        from verifier.complete.leaves import decided  # scipy and the LP solver take a while to load

        bound = decided(self.relaxed, leaf, work, self.probes.name)
        if isinstance(bound, Falsified):
            self.probes.found = bound
        elif bound > 0:
            self.margin, self.by_lp = min(self.margin, 0.0 if bool(leaf.refined) else bound), True
        else:
            self._stay(leaf)

    def _stay(self, leaf: Domains) -> None:
        self.stuck = leaf if self.stuck is None else self.stuck.joined(leaf)

    def _optimised(self, domains: Domains, steps: int, work: Work) -> Domains:
        return self.relaxed.optimised(domains, steps, work.late) if len(domains) else domains

    def _unproved(self, domains: Domains) -> Domains:
        """Those that are left when each that looks closed was proved in float64."""
        hopeful = domains.bound > 0
        if not bool(hopeful.any()):
            return domains
        index = hopeful.nonzero().flatten()
        proof = self.relaxed.proved(domains[index])
        done = proof > 0
        if self.growth is not None:
            self.growth.close(domains[index[done]])
        if bool(done.any()):
            margin = torch.where(domains[index].refined, 0.0, proof)
            self.margin = min(self.margin, float(margin[done].min()))
        keep = torch.ones(len(domains), dtype=torch.bool)
        keep[index[done]] = False
        return domains[keep]
