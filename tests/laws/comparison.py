"""How bounds compare: with those of a smaller region, of another method, of another arithmetic, with the truth."""

import torch
from torch import Tensor

from laws.cases import Case, smaller
from laws.containment import reach
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds, propagate
from verifier.graph.op import Affine, Input
from verifier.interval import Interval
from verifier.numerics import flat
from verifier.regions import Region
from verifier.relaxations.table import RELAXATIONS

DOUBLE = Options(dtype=torch.float64)
PROOF = Options(dtype=torch.float64, proof=True)
SINGLE = Options()


def bound(case: Case, method: Method, options: Options, region: Region | None = None) -> Bounds:
    return propagate(case.graph, region or case.region, method, case.specification, options)


def rows(case: Case, method: Method, options: Options = DOUBLE) -> Tensor:
    found = bound(case, method, options).rows
    assert found is not None
    return found.double()


def holds(outer: Interval, inner: Interval, slack: float) -> bool:
    return bool((outer.lower <= inner.lower + slack).all() and (outer.upper >= inner.upper - slack).all())


def law_monotone(case: Case, seed: int) -> None:
    """Interval arithmetic: a region inside another has intervals inside the other's."""
    wide = bound(case, Ibp(), DOUBLE)
    narrow = bound(case, Ibp(), DOUBLE, smaller(case.region, 0.4, seed))
    slack = 1e-12 * reach(wide)
    for name, interval in narrow.table.items():
        assert holds(wide.table[name], interval, slack), f"{name} grew with a smaller region"


def law_intermediate_tighter(case: Case) -> None:
    """Walks only ever tighten: CROWN's intervals lie in those of interval arithmetic."""
    loose, tight = bound(case, Ibp(), DOUBLE), bound(case, Crown(), DOUBLE)
    slack = 1e-12 * reach(loose)
    for name, interval in tight.table.items():
        assert holds(loose.table[name], interval, slack), f"{name}: CROWN is looser than intervals"


def law_forms(case: Case, options: Options, ways: int) -> None:
    """By each of so many ways a row is at least its base, and more the farther an input is from the end where the row
    is least."""
    found = bound(case, Crown(), options)
    assert found.form is not None
    slope, ends = flat(found.form.coefficient, 2), case.region.box()
    assert found.form.base.shape == (ways * len(case.specification.rows), case.region.batch)
    for seed in range(8):
        x = case.region.sample(torch.Generator().manual_seed(seed), torch.float64)
        values = case.specification.values(case.graph(x)).repeat(ways, 1)
        below, above = flat(x - ends.lower, 1), flat(ends.upper - x, 1)
        least = found.form.base + (slope.abs() * torch.where(slope > 0, below, above)).sum(2)
        assert bool((least <= values + 1e-9 * reach(found) * (1 + values.abs())).all()), "a form lies above its row"


def law_alpha(case: Case, shared: bool) -> None:
    """With the same intermediate bounds, optimised slopes are never worse than those they start from."""
    method = AlphaCrown(steps=3, shared=shared, intermediate=False)
    before, after = rows(case, Crown(intermediate=False)), rows(case, method)
    assert bool((after >= before - 1e-12 * reach(bound(case, Ibp(), DOUBLE))).all()), "optimised slopes are worse"


def law_proof_close(case: Case, method: Method) -> None:
    """A proof gives away something for rounding, and not much."""
    free, proved = rows(case, method), rows(case, method, PROOF)
    scale = reach(bound(case, method, DOUBLE)) * (1 + flat(case.specification.rows.abs(), 2).sum(2))
    assert bool((proved <= free + 1e-12 * scale).all()), f"{method.name}: a proof above the bound that it proves"
    assert bool((proved >= free - 1e-9 * scale).all()), f"{method.name}: a proof lost more than rounding"


def law_dtypes(case: Case, method: Method) -> None:
    """What float32 finds is about what float64 finds."""
    single, double = rows(case, method, SINGLE), rows(case, method)
    scale = reach(bound(case, method, DOUBLE)) * (1 + flat(case.specification.rows.abs(), 2).sum(2))
    assert bool(((single - double).abs() <= 1e-4 * scale).all()), f"{method.name}: float32 is far from float64"


def is_linear(case: Case, bounds: Bounds) -> bool:
    """Is every nonlinearity linear on its interval?"""
    for node in case.graph.nodes:
        if not isinstance(node.op, Affine | Input):
            x = bounds.table[node.inputs[0]]
            if not bool(RELAXATIONS[type(node.op)].linear(node.op, x).all()):
                return False
    return True


def law_exact_where_linear(case: Case, method: Method) -> bool:
    """Where the network is affine on the region, the rows' bounds are its exact minima. False: it is not affine."""
    bounds = bound(case, method, DOUBLE)
    if not is_linear(case, bounds):
        return False
    assert bounds.rows is not None
    center = case.region.box().center

    def values(x: Tensor) -> Tensor:
        return case.specification.values(case.graph(x))

    def total(x: Tensor) -> Tensor:
        return values(x).sum(1)

    gradient = torch.func.jacrev(total)(center)
    least = case.region.minimum(gradient) + values(center) - flat(gradient * center, 2).sum(2)
    slack = 1e-9 * reach(bounds) * (1 + flat(case.specification.rows.abs(), 2).sum(2))
    assert bool(((bounds.rows - least).abs() <= slack).all()), f"{method.name}: not exact where all is linear"
    return True
