"""Certificates about rewritten networks, and about few inputs that searches asked alone: the checker proves what the
file's network does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from laws.certificates import accepted, entry, law_accepted, law_true, recorded, written
from laws.searches import Own
from torch import Tensor

from verifier import batch
from verifier.certificates import aptp, networks
from verifier.certificates.check import check
from verifier.complete.bab import Bab
from verifier.complete.input_split import InputSplit
from verifier.complete.narrow import Narrow, narrowed
from verifier.errors import InputError, Rejected
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu, Sigmoid
from verifier.graph.ops.dense import Linear, Sum
from verifier.graph.passes.exact import simplified
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box

MARGIN = 0.03  # above the least value that sampling finds
CUTS = InputSplit(batch=16)


def weight(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float().double()


def above_its_least(graph: Graph, low: Tensor, high: Tensor) -> Problem:
    """Is the only output above the least value that is found, less a little?"""
    share = torch.rand(20000, *low.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    least = float(graph(low + (high - low) * (3 * share - 1).clamp(0, 1)).min())
    asked = Specification(
        torch.ones(1, 1, 1, dtype=torch.float64), torch.full((1, 1), MARGIN - least, dtype=torch.float64), (0,)
    )
    return Problem(Model(graph, Own(graph), "test"), box(low, high), asked)


def minima() -> Graph:
    """Minima of pairs of linear functions, as `2 min(a, b)` is made of four ReLUs, in two layers."""
    builder, at, size = Builder("x", (2,)), "x", 2
    four = torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]]).double()
    least = torch.tensor([[0.5, -0.5, -0.5, -0.5]]).double()
    for layer, out in enumerate((6, 1)):
        pairs = torch.block_diag(*[four] * out) @ weight(layer, 2 * out, size)
        at = builder.add(Relu(), builder.add(Linear(pairs), at, name=f"pairs{layer}"), name=f"relu{layer}")
        at, size = builder.add(Linear(torch.block_diag(*[least] * out)), at, name=f"min{layer}"), out
    return builder.finish(at, {})


def question() -> Problem:
    return above_its_least(minima(), -torch.ones(1, 2).double(), torch.ones(1, 2).double())


@pytest.mark.parametrize("search", [CUTS, Bab()], ids=["inputs", "activations"])
def test_what_is_proved_of_a_rewritten_network_is_accepted(search: Bab | InputSplit, tmp_path: Path) -> None:
    asked = question()
    recorder, proved = recorded(asked, search, 20.0)
    assert proved == [0]
    assert entry(recorder)["rewritten"] == 1
    found = accepted(recorder, asked.model.graph, tmp_path)
    law_true([replace(one, question=replace(one.question, graph=asked.model.graph)) for one in found])


def test_in_fractions_too(tmp_path: Path) -> None:
    asked = question()
    recorder, proved = recorded(replace(asked, region=box(-0.1 * torch.ones(1, 2), 0.1 * torch.ones(1, 2))), CUTS)
    assert proved == [0]
    law_true(accepted(recorder, asked.model.graph, tmp_path, exact=True))


def turned(graph: Graph) -> Graph:
    """Another function: one of the two parts of the last node has the other sign."""
    after = simplified(graph)
    return replace(after, nodes=(*after.nodes[:-1], replace(after.nodes[-1], op=Sum((1, -1)))))


@pytest.mark.parametrize("exact", [False, True])
def test_a_rewrite_that_lies_is_noticed(exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches and the checker have the same wrong rewrite, and agree about another network."""
    for place in (batch, networks):
        monkeypatch.setattr(place, "simplified", turned)
    asked = question()
    recorder, proved = recorded(asked, CUTS, 20.0)
    assert proved == [0]
    with pytest.raises(Rejected, match="another function"):
        accepted(recorder, asked.model.graph, tmp_path, exact)


def test_aptp_has_no_parts_of_nodes(tmp_path: Path) -> None:
    asked = question()
    recorder, _ = recorded(asked, Bab(), 20.0)
    certificate, model = written(recorder, tmp_path)
    with pytest.raises(InputError, match="a part of a node"):
        aptp.write(tmp_path / "tree", certificate, list(check(certificate, model, asked.model.graph)))


def narrow(bent: Callable[[], Relu | Sigmoid] = Relu) -> Problem:
    """Two inputs of twenty vary; two more hardly do."""
    builder, at, size = Builder("x", (20,)), "x", 20
    for layer, out in enumerate((12, 12, 1)):
        at = builder.add(Linear(weight(layer, out, size) / size**0.5, weight(9, out)), at, name=f"dense{layer}")
        at, size = builder.add(bent(), at, name=f"bent{layer}") if layer < 2 else at, out
    center, radius = weight(7, 1, 20), torch.zeros(1, 20).double()
    radius[0, [3, 11]], radius[0, [5, 6]] = torch.tensor([7.0, 9.0]).double() * center[0, [3, 11]].abs(), 1e-12
    return above_its_least(builder.finish(at, {}), center - radius, center + radius)


@pytest.mark.parametrize("bent", [Relu, Sigmoid])
def test_few_inputs_asked_alone(bent: Callable[[], Relu | Sigmoid], tmp_path: Path) -> None:
    asked = narrow(bent)
    assert law_accepted(asked, CUTS, tmp_path, seconds=20.0) == 1
    tree = entry(recorded(asked, CUTS, 20.0)[0])["proof"]
    assert tree["bands"] == 2
    assert set(tree["boxes"]["tree"]["place"].tolist()) <= {-1, 3, 11}


def test_cuts_of_other_inputs_prove_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: what is cut is told in the numbers of the few."""
    monkeypatch.setattr(Narrow, "cut", lambda self, place, share: (place, share))
    recorder, proved = recorded(narrow(), CUTS, 20.0)
    assert proved == [0]
    with pytest.raises(Rejected, match="is open in the box"):
        accepted(recorder, narrow().model.graph, tmp_path)


@pytest.mark.parametrize("order", [[3, 11], [11, 3]])
def test_the_few_are_the_inputs_that_they_stand_for(order: list[int]) -> None:
    """Whichever varies more: the small network is the large one at the inputs that its own are."""
    asked = narrow()
    box_ = asked.region.box()
    radius = box_.radius.clone()
    radius[0, order] = torch.tensor([0.5, 2.0]).double() * box_.magnitude[0, order]
    few = narrowed(replace(asked, region=box(box_.center - radius, box_.center + radius)))
    assert few is not None
    share = 2 * torch.rand(50, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1
    assert torch.allclose(few.problem.model.graph(share), asked.model.graph(few.inputs(share, (20,))), atol=1e-9)
