"""One question's domains: multipliers, slopes, and weights of a clause's rows are optimised together, on any device;
the same bounds are then proved on the CPU in float64 (β-CROWN, Wang et al. 2021)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.bounding.adam import Adam
from verifier.bounding.notes import packed, unpacked
from verifier.bounding.state import State
from verifier.complete.domains import Domains
from verifier.complete.sites import Site, sites
from verifier.complete.walks import SIDES, Walks
from verifier.graph.graph import Node
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.relaxations.relaxation import Lines

COPIES = 6  # tensors of each nonlinear node's size that one walk with gradients holds for a domain


@dataclass(frozen=True, eq=False)
class View:
    """What a heuristic sees of `N` domains, on the device of the search: intervals, lines, and the coefficients
    `(1, N, *)` of the walk."""

    domains: Domains
    tables: Mapping[str, Interval]
    lines: Mapping[str, Lines]
    seen: Mapping[str, Tensor]
    bound: Tensor


class Relaxed:
    """One question, with proven intervals of all its nodes. Domains are given and returned on the CPU."""

    def __init__(
        self,
        problem: Problem,
        table: Mapping[str, Interval],
        dtype: torch.dtype,
        deployed: torch.dtype | None,
        device: str = "cpu",
    ) -> None:
        self.problem = problem
        graph, region = problem.model.graph, problem.region
        proving = known(State(graph, region.to(torch.float64, "cpu"), True, deployed=deployed), table)
        search = known(State(graph.to(dtype, device), region.to(dtype, device), False), table)
        self.sites = sites(proving)
        self.count = sum(len(site.index) for site in self.sites)
        self.search = Walks(search, self.sites, problem.specification)
        self.proving = Walks(proving, self.sites, problem.specification)
        self.start = {(reader.name, side): self._start(site, reader, side) for site, reader, side in self._slopes()}

    def at_once(self, bytes: int) -> int:
        """How many domains fit into that much memory."""
        entries = sum(node.size for node in self.search.state.graph.nodes)
        return max(1, bytes // (2 * 4 * COPIES * entries))

    def optimised(self, domains: Domains, steps: int, stop: Callable[[], bool], lr: float = 0.1) -> Domains:
        """The domains with better multipliers and bounds, by `steps` of Adam."""
        walks, dtype = self.search, self.search.like.dtype
        domains = domains.to(walks.like.device)
        share = {key: unpacked(value, dtype).requires_grad_() for key, value in domains.share.items()}
        beta = domains.beta.to(dtype).clone().requires_grad_()
        weight = domains.weight.to(dtype).clamp(min=1e-9).log().requires_grad_()
        adam = Adam([*share.values(), beta, weight], betas=(0.3, 0.99))
        best = replace(domains, bound=torch.full_like(domains.bound, -torch.inf))
        frame = walks.frame(domains)
        for step in range(steps + 1):
            with torch.enable_grad():
                bound = walks.bound(domains, walks.lines(frame, share), beta, weight.softmax(1))
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
            adam.step(torch.where(bound.isfinite(), bound, 0.0).sum(), [2 * lr] * len(share) + [lr, lr])
            beta.data.clamp_(min=0)
            for value in share.values():
                value.data.clamp_(0, 1)
        return replace(best, bound=torch.maximum(best.bound, domains.bound)).to("cpu")

    def view(self, domains: Domains) -> View:
        """The domains' bounds as their multipliers stand, with all that led to them."""
        walks, seen = self.search, dict[str, Tensor]()
        domains = domains.to(walks.like.device)
        share = {key: unpacked(value, walks.like.dtype) for key, value in domains.share.items()}
        with torch.no_grad():
            frame = walks.frame(domains)
            lines = walks.lines(frame, share)
            bound = walks.bound(domains, lines, domains.beta.to(walks.like.dtype), domains.weight, seen)
        return View(domains, frame.tables, lines, seen, bound)

    def proved(self, domains: Domains) -> Tensor:
        """The same bounds in float64, less all that rounding could have done: `(N,)`."""
        return self.linear(domains)[0]

    def linear(self, domains: Domains) -> tuple[Tensor, Tensor]:
        """Proved bounds `(N,)`, and the coefficients `(N, *in)` of the inputs that they come from: zero where no path
        leads there."""
        walks, seen = self.proving, dict[str, Tensor]()
        share = {key: unpacked(value, torch.float64) for key, value in domains.share.items()}
        weight = domains.weight.double()
        weight = weight / weight.sum(1, keepdim=True)  # in float32 they are not quite 1 together
        with torch.no_grad():
            lines = walks.lines(walks.frame(domains), share)
            bound = walks.bound(domains, lines, domains.beta.double(), weight, seen)
        name = self.problem.model.graph.input.name
        return bound, seen[name][0] if name in seen else bound.new_zeros(len(bound), *self.problem.region.shape)

    def _slopes(self) -> list[tuple[Site, Node, str]]:
        """The slopes that can be chosen."""
        found = []
        for site in self.search.sites:
            x = self.search.state.table[site.name]
            for reader in site.readers:
                ranges = self.search.relaxation(reader.op).range(reader.op, x)
                for side in SIDES:
                    low, high = (flat(getattr(end, side), 1)[:, site.index] for end in ranges)
                    if bool((low < high).any()):
                        found.append((site, reader, side))
        return found

    def _start(self, site: Site, reader: Node, side: str) -> Tensor:
        """The share `(1, n)` of the root's own slope, between the ends that a proof knows: where the search's interval
        ends at zero, a proof's may end beyond it by a hair, and then leaves a choice."""
        x, op = self.proving.state.table[site.name], self.proving.state.graph.by_name[reader.name].op
        index, ends = site.index.cpu(), self.proving.relaxation(op).range(op, x)
        low, high = (flat(getattr(end, side), 1)[:, index] for end in ends)
        own = flat(getattr(self.search.state.lines[reader.name].slopes, side), 1).cpu().double()[:, index]
        return packed(((own - low) / (high - low).clamp(min=1e-30)).nan_to_num(0.0).clamp(0, 1))


def known(state: State, table: Mapping[str, Interval]) -> State:
    """A state that knows these intervals."""
    like = state.region.box().lower
    for node in state.graph.nodes:
        state.enter(node)
        state.improve(node.name, table[node.name].to(like.dtype, like.device))
    return state
