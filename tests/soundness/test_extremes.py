"""Numbers at the ends of float64: sums that overflow and products that underflow must not make a bound false."""

import pytest
import torch
from laws.cases import Case
from laws.containment import METHODS
from laws.exact import exact_rows, exact_values
from torch import Tensor

from verifier.bounding.methods import Crown, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.op import Op
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.properties import Specification
from verifier.regions import box

PROOF = Options(proof=True)


def real(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def chain(size: int, *ops: Op) -> Graph:
    builder = Builder("x", (size,))
    at = builder.input
    for op in ops:
        at = builder.add(op, at, name=op.label.lower())
    return builder.finish(at, {})


@pytest.mark.parametrize("places", [(30, 16, 47, 60), (30, 38, 13, 50)])
def test_a_sum_that_overflowed_is_no_bound(places: tuple[int, int, int, int]) -> None:
    """`12 * (a + a - a - a)` is zero, but partial sums of the merged layers are infinite; CROWN said 6e294, exactly."""
    weight = torch.zeros(1, 64, dtype=torch.float64)
    weight[0, list(places)] = real(1e307, 1e307, -1e307, -1e307)
    graph = chain(64, Linear(weight), Linear(real([12.0])), Relu())
    point = torch.ones(1, 64, dtype=torch.float64)
    table = propagate(graph, box(point, point), Crown(), None, PROOF).table
    for name in ("linear#1", "relu"):
        assert bool((table[name].lower <= 0).all()), "every node is exactly zero"
        assert bool((table[name].upper >= 0).all()), "every node is exactly zero"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("relu", [False, True])
def test_what_underflows_forwards_may_grow_again(method: Method, relu: bool) -> None:
    """`1e-200 x * 1e-200 * 1e300 * 1e300` is `1e200 x`; products that vanished on the way made it zero, exactly."""
    ops = [Linear(real([s])) for s in (1e-200, 1e-200, 1e300, 1e300)]
    graph = chain(1, ops[0], *([Relu()] if relu else []), *ops[1:])
    case = Case(graph, box(real([0.5]), real([1.0])), Specification(real([[-1.0]]), real([1e-300]), (0,)))
    below_exact_rows(case, method, real(1.0))


@pytest.mark.parametrize("method", METHODS)
def test_what_underflows_backwards_may_meet_large_inputs(method: Method) -> None:
    """The coefficient `1e-200 * 1e-200` of `x` vanished, but `x` is 1e300."""
    graph = chain(1, Linear(real([1e-200])), Linear(real([1e-200])))
    case = Case(graph, box(real([1e300]), real([1e301])), Specification(real([[-1.0]]), real([0.0]), (0,)))
    below_exact_rows(case, method, real(1e301))


def below_exact_rows(case: Case, method: Method, x: Tensor) -> None:
    rows = propagate(case.graph, case.region, method, case.specification, PROOF).rows
    assert rows is not None
    (true,) = exact_rows(case.specification, exact_values(case.graph, x)[case.graph.output], 0)
    assert true < 0
    assert not float(rows) > 0
    assert float(rows) == -torch.inf or float(rows) <= true
