"""The self-check catches a wrong reading, names the place, and is not fooled by rounding at a jump."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper
from onnx_small import model, points, save, typed

from verifier.errors import InvalidModel
from verifier.formats.onnx import load_onnx
from verifier.formats.selfcheck import check_against
from verifier.graph.ops.dense import Linear
from verifier.model import Model

node = helper.make_node
R = np.random.default_rng(3)
W1, W2 = (R.normal(size=(4, 4)).astype(np.float32) for _ in range(2))


def two_layers(folder: Path) -> Model:
    nodes = [node("MatMul", ["x", "w1"], ["a"]), node("Relu", ["a"], ["b"]), node("MatMul", ["b", "w2"], ["c"])]
    nodes.append(node("Tanh", ["c"], ["y"]))
    return load_onnx(save(typed(model(nodes, {"x": [1, 4]}, ["y"], {"w1": W1, "w2": W2})), folder))


def mutated(loaded: Model, name: str, factor: float) -> Model:
    def change(n):  # type: ignore[no-untyped-def]
        return replace(n, op=Linear(n.op.weight * factor)) if n.name == name else n

    return replace(loaded, graph=replace(loaded.graph, nodes=tuple(map(change, loaded.graph.nodes))))


def test_right_model_passes(tmp_path: Path) -> None:
    check_against(two_layers(tmp_path), points((1, 4), 20))


@pytest.mark.parametrize("name", ["a", "c"])
def test_wrong_weight_is_found_and_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=rf"first node that differs is {name} \(Linear\)"):
        check_against(mutated(two_layers(tmp_path), name, 1.01), points((1, 4), 20))


def test_wrong_shape_is_found(tmp_path: Path) -> None:
    loaded = two_layers(tmp_path)
    wrong = replace(loaded.graph.by_name["y"], op=Linear(torch.ones(3, 4, dtype=torch.float64)), shape=(1, 3))
    graph = replace(loaded.graph, nodes=(*loaded.graph.nodes[:-1], wrong))
    with pytest.raises(InvalidModel, match="shape"):
        check_against(replace(loaded, graph=graph), points((1, 4), 2))


def test_nan_is_a_difference(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel):
        check_against(mutated(two_layers(tmp_path), "a", float("nan")), points((1, 4), 3))


def test_jumps_raise_no_false_alarm(tmp_path: Path) -> None:
    """A sum that is exactly on the edge of a floor in real numbers falls on either side in float32."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Floor", ["a"], ["y"])]
    weights = {"w": np.full((64, 1), 0.1, np.float32)}
    loaded = load_onnx(save(typed(model(nodes, {"x": [1, 64]}, ["y"], weights)), tmp_path))
    x = R.integers(0, 11, (200, 1, 64)).astype(np.float32)
    assert (loaded.graph(torch.from_numpy(x).double()).numpy() != loaded.evaluator(x)).any()
    check_against(loaded, x)


@dataclass
class Other:
    """An engine without inner values."""

    shift: float
    name: str = "other engine"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(np.maximum(x @ W1, 0) @ W2) + self.shift, dtype=np.float32)


def test_any_evaluator_will_do(tmp_path: Path) -> None:
    loaded = two_layers(tmp_path)
    check_against(replace(loaded, evaluator=Other(0.0)), points((1, 4), 5))
    with pytest.raises(InvalidModel, match="other engine"):
        check_against(replace(loaded, evaluator=Other(0.01)), points((1, 4), 5))
