"""The loop itself: refusals, early stops, and what it returns."""

import pytest
import torch
from laws.cases import Case, make_region, make_specification
from laws.comparison import rows
from laws.containment import METHODS, law_containment
from laws.nets import network

from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.errors import InputError, UnsupportedModel
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.opaque import Batchwise, Pointwise
from verifier.regions import box

DEEP = ("linear", "relu", "linear", "tanh", "linear", "relu")


def a_case(seed: int = 0, batch: int = 3) -> Case:
    graph = network((5,), DEEP, seed)
    return Case(graph, make_region("linf", (5,), batch, seed), make_specification(graph, batch, seed))


def test_all_obstacles_at_once() -> None:
    builder = Builder("x", (2, 3))
    sine = builder.add(Pointwise("Sin", torch.sin), builder.input, name="wave")
    relu = builder.add(Relu(), sine, name="relu")
    soft = builder.add(Batchwise("Softmax", lambda x: x.softmax(-1)), relu, name="soft")
    graph = builder.finish(builder.add(Pointwise("Sin", torch.sin), soft, name="again"), {})
    region = box(torch.zeros(1, 2, 3), torch.ones(1, 2, 3))
    with pytest.raises(UnsupportedModel) as caught:
        propagate(graph, region, Crown(), None, Options())
    message = str(caught.value)
    for part in ("Sin", "wave", "again", "Softmax", "soft", "2x3"):
        assert part in message
    assert "relu" not in message


def test_a_region_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"\(4,\)"):
        propagate(a_case().graph, make_region("linf", (4,), 1, 0), Ibp(), None, Options())


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_without_a_specification(method: Method) -> None:
    case = a_case()
    found = propagate(case.graph, case.region, method, None, Options())
    assert found.rows is None
    assert set(found.table) == {node.name for node in case.graph.nodes}
    for node in case.graph.nodes:
        assert tuple(found.table[node.name].lower.shape) == (3, *node.shape)


@pytest.mark.parametrize("calls", [0, 1, 2, 5])
@pytest.mark.parametrize("method", [Crown(), AlphaCrown(steps=3)], ids=lambda m: m.name)
def test_stopped_early_bounds_still_hold(method: Method, calls: int) -> None:
    left = calls

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    law_containment(a_case(), method, Options(dtype=torch.float64, stop=stop, bytes=1))


def test_the_same_twice() -> None:
    for method in METHODS:
        assert torch.equal(rows(a_case(), method), rows(a_case(), method))


def test_the_caller_s_gradient_mode_does_not_matter() -> None:
    case = a_case()
    with torch.no_grad():
        quiet = rows(case, AlphaCrown(steps=2))
    assert torch.equal(quiet, rows(case, AlphaCrown(steps=2)).detach())
    assert not rows(case, Crown()).requires_grad


def test_nothing_is_written_into_arguments() -> None:
    """Network, region and specification are values: another method finds them as they were."""
    case = a_case()
    before = [case.region.box().lower.clone(), case.specification.rows.clone()]
    x = case.region.sample(torch.Generator().manual_seed(0)).double()
    y = case.graph(x)
    for method in METHODS:
        propagate(case.graph, case.region, method, case.specification, Options(proof=True))
    assert torch.equal(before[0], case.region.box().lower)
    assert torch.equal(before[1], case.specification.rows)
    assert torch.equal(y, case.graph(x))
