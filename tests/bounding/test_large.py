"""Networks and properties that are large for their time and memory: what is left out, is left out soundly."""

import pytest
import torch

from verifier.bounding.methods import Crown, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.bounding.zonotope import COPIES
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Input
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.properties import Specification
from verifier.regions import box

SIZE, ROWS = 40, 3000


@pytest.fixture
def deep() -> Graph:
    """Two layers of 40 entries behind 3 inputs."""
    torch.manual_seed(0)
    weights = [torch.randn(SIZE, n, dtype=torch.float64) / n**0.5 for n in (3, SIZE, SIZE)]
    nodes = [Node("x", Input((3,)), (), (3,))]
    for i, weight in enumerate(weights):
        nodes.append(Node(f"sum{i}", Linear(weight), (nodes[-1].name,), (SIZE,)))
        nodes.append(Node(f"relu{i}", Relu(), (f"sum{i}",), (SIZE,)))
    return Graph(tuple(nodes), nodes[-1].name, {})


@pytest.fixture
def region():
    return box(torch.full((1, 3), -0.5, dtype=torch.float64), torch.full((1, 3), 0.5, dtype=torch.float64))


def asked(offset: float) -> Specification:
    rows = torch.randn(ROWS, 1, SIZE, dtype=torch.float64)
    return Specification(rows, torch.full((ROWS, 1), offset, dtype=torch.float64), tuple(range(ROWS)))


def least(graph: Graph, specification: Specification) -> torch.Tensor:
    y = graph(torch.rand(200, 3, dtype=torch.float64) - 0.5)
    return (specification.rows[:, 0] @ y.T).amin(1, keepdim=True) + specification.offset


def bounds_of(graph: Graph, region, method, specification, options: Options) -> torch.Tensor:
    found = propagate(graph, region, method, specification, options).rows
    assert found is not None
    return found


@pytest.mark.parametrize("proof", [False, True])
@pytest.mark.parametrize("method", [Crown(), Crown(False), Zonotope(), Zonotope(8)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_rows_that_no_time_is_left_for(deep, region, method, proof, offset):
    """They get what is known without a walk; the first ones have theirs."""
    specification = asked(offset)
    full = bounds_of(deep, region, method, specification, Options(proof=proof))
    late = bounds_of(deep, region, method, specification, Options(proof=proof, stop=lambda: True))
    known = least(deep, specification) + 1e-4
    assert bool((full <= known).all())
    assert bool((late <= known).all())
    assert bool(late[0].isfinite())


def test_walks_end_with_the_time(deep, region):
    specification = asked(0.0)
    late = bounds_of(deep, region, Crown(), specification, Options(stop=lambda: True))
    assert bool(late[-1].isneginf())


def test_zonotopes_have_as_many_symbols_as_fit(deep, region):
    """One that does not fit takes fewer symbols, down to one for each input that varies, and stays sound."""
    specification = asked(0.0)
    size = COPIES * 8 * SIZE
    bounds = bounds_of(deep, region, Zonotope(), specification, Options(bytes=10 * size))
    fewer = bounds_of(deep, region, Zonotope(10), specification, Options())
    more = bounds_of(deep, region, Zonotope(), specification, Options())
    assert bool((fewer - 1e-4 <= bounds).all() and (bounds <= more + 1e-4).all())
    assert float(bounds.min()) < float(more.min())
    assert bool((bounds <= least(deep, specification) + 1e-4).all())
    with pytest.raises(MemoryError):
        propagate(deep, region, Zonotope(), specification, Options(bytes=2 * size))
