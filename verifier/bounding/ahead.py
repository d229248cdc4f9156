"""Zonotopes that go before walks: asked for, or begun where they decide as much for less."""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from verifier.bounding.entries import direct
from verifier.bounding.methods import Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.state import State
from verifier.bounding.zonotope import Zonotopes
from verifier.graph.graph import Node
from verifier.regions import Box

MANY = 1024  # walks from entries of one node, from which on symbols may be fewer


class Ahead:
    """`zonotopes` as far as they go; `symbols` are how many each node may have, of those that they came to."""

    def __init__(self, state: State, method: Method, options: Options) -> None:
        self.state, self.options = state, options
        self.asked = isinstance(method, Zonotope)
        self.zonotopes = Zonotopes(state, method.symbols, options.bytes) if isinstance(method, Zonotope) else None
        self.symbols: dict[str, int] = {}

    def begin(self, node: Node, undecided: Callable[[Node], int]) -> None:
        """Where a node needs more walks than there are symbols up to it, zonotopes go first from here on: a pass for
        each symbol, and walks are left for what these do not decide. A residual network of 66,000 neurons, of which
        few are undecided in the end, took 129 s before and 19 now."""
        state = self.state
        if self.zonotopes is not None or state.region.batch > 1 or not isinstance(state.region, Box):
            return
        walks = undecided(node)
        if walks < MANY:
            return
        before = state.graph.nodes[: state.graph.nodes.index(node) + 1]
        symbols = int(state.region.box().varies.sum()) + sum(undecided(n) for n in before[:-1])
        zonotopes = Zonotopes(state, sys.maxsize, self.options.bytes)
        if symbols < min(walks, zonotopes.room[state.graph.input.name]):
            self.zonotopes = zonotopes
            for n in before:
                self.enter(n)

    def enter(self, node: Node) -> None:
        """The next node. Unless they were asked for, zonotopes end with the time, or where there are as many symbols as
        fit into memory, as walks do better then."""
        zonotopes = self.zonotopes
        if zonotopes is None:
            return
        with torch.no_grad():
            zonotopes.enter(node)
            zonotopes.forget(node)
        self.symbols[node.name] = zonotopes.room[node.name]
        full = zonotopes.used >= zonotopes.room[node.name]
        if not self.asked and (full or self.options.stop()):
            self.zonotopes = None

    def rows(self, rows: Tensor) -> Tensor:
        """Lower bounds `(S, B)` of rows at the output that take no walk."""
        known = direct(rows, self.state.table[self.state.graph.output])
        return known if self.zonotopes is None else torch.maximum(known, self.zonotopes.rows(rows))
