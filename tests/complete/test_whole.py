"""A patch at a computed place: what enumeration says, the search says."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from verifier.attacks.sampled import Sampled
from verifier.bounding.stepped import stepped
from verifier.complete.search import Work
from verifier.complete.whole import WholeNumbers
from verifier.formats.onnx import load_onnx
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Falsified, Verified

SIZE, PATCH = 5, 2


def patched(path: Path, weight: np.ndarray) -> Path:
    """`weight . (ones with zeros in rows [p, p + PATCH) )`, `p` the truncated only input; rows end with the picture."""
    node, constants = helper.make_node, {
        "rows": np.arange(SIZE), "length": np.array([PATCH]), "axis": np.array([0]), "shape": np.array([-1, 1]),
        "ones": np.ones(SIZE, np.float32), "zeros": np.zeros(PATCH, np.float32), "w": weight.astype(np.float32),
    }  # fmt: skip
    nodes = [
        node("Cast", ["x"], ["p"], to=7),
        node("Add", ["p", "length"], ["end"]),
        node("Slice", ["rows", "p", "end", "axis"], ["place"]),
        node("Reshape", ["place", "shape"], ["index"]),
        node("ScatterND", ["ones", "index", "zeros"], ["mask"]),
        node("Mul", ["mask", "w"], ["product"]),
        node("ReduceSum", ["product"], ["y"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "patched",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def truth(weight: np.ndarray, place: int) -> float:
    return float(weight.sum() - weight[place : place + PATCH].sum())


@pytest.mark.parametrize("seed", range(6))
def test_search_equals_enumeration(tmp_path: Path, seed: int) -> None:
    weight = np.random.default_rng(seed).integers(-4, 5, SIZE).astype(np.float64)
    model = load_onnx(patched(tmp_path / "p.onnx", weight))
    last = SIZE - PATCH
    values = [truth(weight, p) for p in range(last + 1)]
    graph = model.graph.to(torch.float64)
    x = torch.linspace(0, last + 0.9, 40, dtype=torch.float64).reshape(-1, 1)
    assert torch.equal(graph(x)[:, 0], torch.tensor([values[int(v)] for v in x[:, 0]], dtype=torch.float64))
    for offset in (-min(values) + 0.25, -min(values) - 0.25):
        row = Specification(torch.ones(1, 1, 1).double(), torch.tensor([[offset]]).double(), (0,))
        region = box(torch.zeros(1, 1), torch.full((1, 1), last + 0.9))
        problem = Problem(model, region, row)
        assert stepped(problem) is not None
        (verdict,) = WholeNumbers()(problem, Work(torch.inf))
        holds = min(values) + offset > 0
        assert isinstance(verdict, Verified if holds else Falsified)
        (found,) = Sampled()(model.graph.to(torch.float32), problem, torch.Generator())
        assert (found is not None) == (not holds)


def test_several_questions_are_left_to_others(tmp_path: Path) -> None:
    model = load_onnx(patched(tmp_path / "p.onnx", np.ones(SIZE)))
    row = Specification(torch.ones(1, 2, 1).double(), torch.zeros(1, 2).double(), (0,))
    assert stepped(Problem(model, box(torch.zeros(2, 1), torch.ones(2, 1)), row)) is None  # two questions
