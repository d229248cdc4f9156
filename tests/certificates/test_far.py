"""Numbers beyond 1e300: where nothing is known of a node, the checker assumes nothing either."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from verifier.certificates.check import check, digest
from verifier.certificates.file import save
from verifier.errors import Rejected
from verifier.graph.build import Builder
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("layers", "least", "greatest", "bound"), [(8, 0.0, 1.0, 1e302), (0, -1e305, 1e305, 2e300)])
def test_no_number_is_assumed_to_be_out_of_reach(
    tmp_path: Path, exact: bool, layers: int, least: float, greatest: float, bound: float
) -> None:
    """`y < 1e302` is false of `relu(1e304 * x)` at 1: the tree's leaf was once closed by intervals up to 1e300; the
    same of a box that is larger than that."""
    builder = Builder("x", (1,))
    at = builder.input
    for i in range(layers):
        at = builder.add(Linear(torch.full((1, 1), 1e38, dtype=torch.float64)), at, name=f"z{i}")
    graph = builder.finish(builder.add(Relu(), at, name="y"), {})
    tree = {"place": np.array([-1]), "point": np.zeros(1), "at_most": np.array([-1]), "at_least": np.array([-1])}
    boxes = {"tree": tree, "bounded": np.array([True])}
    proof: dict[str, Any] = {
        "kind": "inputs",
        "level": 0,
        "grounded": 0,
        "bands": 1,
        "symbols": {"x": 2, **{f"z{i}": 2 for i in range(layers)}, "y": 2},
        "tightened": [],
        "standard": {},
        "starts": {},
        "rows": [],
    }
    asked = {
        "output": "y",
        "rewritten": 0,
        "lower": np.array([[least]]),
        "upper": np.array([[greatest]]),
        "rows": np.array([[[-1.0]]]),
        "offset": np.array([[bound]]),
        "clause": np.array([0]),
        "closed": np.array([False]),
    }
    model = tmp_path / "model"
    model.write_bytes(b"the checker only hashes it")
    path = tmp_path / "proof.zip"
    save(path, {"model": digest(model), "entries": [{**asked, "proof": {**proof, "boxes": boxes}}]})
    with pytest.raises(Rejected):
        list(check(path, model, graph, exact))
