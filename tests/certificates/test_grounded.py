"""Boxes whose rows hold with zero below every ReLU, and not with the usual lines."""

from pathlib import Path
from typing import Any

from laws.cases import steep
from laws.certificates import accepted, entry, law_rejected, law_true, recorded
from laws.searches import Own

from verifier.complete.input_split import InputSplit
from verifier.model import Model
from verifier.problem import Problem


def usual(e: dict[str, Any]) -> None:
    e["proof"]["grounded"] = 0


def test_what_is_grounded_is_found_again(tmp_path: Path) -> None:
    case = steep()
    model = Model(case.graph, Own(case.graph), "test", ())
    recorder, proved = recorded(Problem(model, case.region, case.specification), InputSplit())
    assert proved == [0]
    assert len(entry(recorder)["proof"]["boxes"]["bounded"]) == 1
    law_true(accepted(recorder, case.graph, tmp_path))
    law_rejected(case.graph, recorder, usual, tmp_path)
