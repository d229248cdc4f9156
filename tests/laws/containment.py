"""Soundness itself: no value of any node, and no margin, lies outside its bounds."""

from fractions import Fraction

import torch
from torch import Tensor

from laws.cases import Case, inside, points
from laws.exact import exact_rows, exact_values
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds, propagate
from verifier.graph.graph import Graph, value
from verifier.numerics import flat

METHODS: tuple[Method, ...] = (
    Ibp(),
    Crown(intermediate=False),
    Crown(),
    AlphaCrown(steps=2),
    AlphaCrown(steps=2, shared=True),
    AlphaCrown(steps=1, intermediate=False),
    Zonotope(),
    Zonotope(symbols=3),
)
NOISE = {torch.float32: 3e-5, torch.float64: 1e-12}  # of evaluating and bounding, relative to the largest value met


def node_values(graph: Graph, x: Tensor) -> dict[str, Tensor]:
    """Every node's value at `x (B, *in)`."""
    values: dict[str, Tensor] = {}
    for node in graph.nodes:
        values[node.name] = value(node, [values[name] for name in node.inputs], x)
    return values


def reach(bounds: Bounds) -> float:
    """The largest finite magnitude of any node."""
    return max([1.0, *(float(i.magnitude.nan_to_num(0, 0, 0).max()) for i in bounds.table.values())])


def law_containment(case: Case, method: Method, options: Options, seed: int = 0, count: int = 8) -> None:
    """Values at points of the region lie in the intervals, margins above the rows' bounds, up to arithmetic's noise."""
    bounds = propagate(case.graph, case.region, method, case.specification, options)
    noise = NOISE[torch.float64 if options.proof else options.dtype] * reach(bounds)
    assert bounds.rows is not None
    size = flat(case.specification.rows.abs(), 2).sum(2) + 1
    for x in points(case, seed, count):
        values, here = node_values(case.graph, x), inside(case, x)
        for name, interval in bounds.table.items():
            low, high = interval.lower.double() - noise, interval.upper.double() + noise
            ok = flat((values[name] >= low) & (values[name] <= high), 1).all(1) | ~here
            assert bool(ok.all()), f"{method.name}: {name} leaves its interval"
        margins = case.specification.values(values[case.graph.output])
        ok = (bounds.rows.double() <= margins + noise * size) | ~here
        assert bool(ok.all()), f"{method.name}: a row's bound lies above its value"


def law_exact(case: Case, method: Method, options: Options, seed: int = 0, count: int = 1) -> None:
    """What a proof says holds for rational arithmetic, with no tolerance at all."""
    assert options.proof, "only proofs promise this"
    bounds = propagate(case.graph, case.region, method, case.specification, options)
    assert bounds.rows is not None
    for x in points(case, seed, count):
        for b in inside(case, x).nonzero().flatten().tolist():
            values = exact_values(case.graph, x[b])
            for name, interval in bounds.table.items():
                ends = zip(interval.lower[b].flatten().tolist(), interval.upper[b].flatten().tolist(), strict=True)
                for (low, high), true in zip(ends, values[name].reshape(-1), strict=True):
                    assert low == -torch.inf or Fraction(low) <= true, f"{method.name}: {name} below its interval"
                    assert high == torch.inf or true <= Fraction(high), f"{method.name}: {name} above its interval"
            margins = exact_rows(case.specification, values[case.graph.output], b)
            for bound, true in zip(bounds.rows[:, b].tolist(), margins, strict=True):
                assert bound == -torch.inf or Fraction(bound) <= true, f"{method.name}: a row's bound is no proof"
