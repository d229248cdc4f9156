"""Every tensor is where it belongs: the answers of a pretended device are the CPU's."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from laws import pretended
from laws.cases import Case
from laws.nets import CURVED
from laws.searches import SEARCHES, Puzzle, kind, problem, relaxed, work
from laws.strategies import EVERYTHING, Recipe, examples, recipes
from test_search_laws import puzzles

from verifier.attacks.pgd import Pgd
from verifier.batch import Settings, run
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete.bab import Bab
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Search
from verifier.complete.sharpen import Sharpening
from verifier.errors import UnsupportedModel

METHODS: tuple[Method, ...] = (Ibp(), Crown(), AlphaCrown(steps=2), Zonotope())
KINDS = (*EVERYTHING, *CURVED)


@pytest.fixture(scope="module", autouse=True)
def device() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        pretended.usable(patch)
        yield


def rows(case: Case, method: Method, device: str) -> torch.Tensor:
    found = propagate(case.graph, case.region, method, case.specification, Options(torch.float64, device)).rows
    assert found is not None
    assert found.device.type == device
    return found.cpu()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_bounds(method: Method) -> None:
    @examples(20)
    @given(recipes(KINDS, batch=2, depth=4))
    def law(recipe: Recipe) -> None:
        case = recipe.case()
        try:
            expected = rows(case, method, "cpu")
        except UnsupportedModel:
            return
        assert torch.allclose(rows(case, method, pretended.NAME), expected, rtol=1e-6, atol=1e-6, equal_nan=True)

    law()


@pytest.mark.parametrize("search", [s for s in SEARCHES.values() if isinstance(s, Bab)], ids=lambda s: s.branching.name)
def test_searches(search: Search) -> None:
    @examples(8)
    @given(puzzles(KINDS))
    def law(puzzle: Puzzle) -> None:
        asked, verdicts = puzzle.problem(), set()
        for device in ("cpu", pretended.NAME):
            budget = replace(work(20.0, 12), device=device, dtype=torch.float64)
            verdicts.add(kind(search(asked, budget)[0]))
        assert len(verdicts) == 1

    law()


@examples(8)
@given(puzzles(EVERYTHING, ("linf", "box")))
def test_sharpened_intervals(puzzle: Puzzle) -> None:
    case = puzzle.case()
    known, tables = relaxed(case).proving.state.table, []
    for device in ("cpu", pretended.NAME):
        asked = Relaxed(problem(case), known, torch.float64, None, device)
        budget = replace(work(20.0), device=device, dtype=torch.float64)
        tables.append(Sharpening(rounds=2)(asked, torch.arange(asked.count).double(), budget))
    for name in known:
        for side in ("lower", "upper"):
            first, second = (getattr(table[name], side) for table in tables)
            assert torch.allclose(first, second, rtol=1e-6, atol=1e-6)


@examples(12)
@given(puzzles(KINDS))
def test_plans(puzzle: Puzzle) -> None:
    """Attacks, bounds and a search in turn."""
    asked = puzzle.problem()
    plan = (Pgd(steps=3, restarts=2), Crown(), AlphaCrown(steps=2), Bab(steps=2, first=3))
    for answer in run(asked, Settings(plan, 20.0, pretended.NAME)):
        assert "device" not in str(answer.verdict)


def test_what_is_mixed_is_refused() -> None:
    far = torch.ones(3).to(pretended.NAME)
    with pytest.raises(RuntimeError, match="on the CPU"):
        _ = far + torch.ones(3)
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, device=pretended.NAME, generator=torch.Generator())
    assert far[torch.tensor([0, 2])].cpu().tolist() == [1.0, 1.0]
