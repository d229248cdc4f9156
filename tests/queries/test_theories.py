"""Several networks, hidden tensors and products at once: answers beside a dense grid of inputs.

Each query asks whether an expression reaches a threshold: somewhat below the greatest value of the grid it does, well
above it does not.
"""

import numpy as np
import onnxruntime
import pytest
from networks_for_queries import asked, boxed, dense, network

from verifier.batch import Settings
from verifier.formats.vnnlib.reader import parse
from verifier.plan import plan
from verifier.queries.answer import answer
from verifier.queries.assignment import holds

GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41)), -1).reshape(-1, 2).astype(np.float32)
TWO = {
    "equal": network() + network("M", "(equal-to N)", "V", "W", "H"),
    "isomorphic": network() + network("M", "(isomorphic-to N)", "V", "W", "H"),
    "unrelated": network() + network("M", "", "V", "W", "H"),
}


def run(path: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": row[None]})[0] for row in x]).astype(float), x.astype(float)


def relu(seed: int, x: np.ndarray) -> np.ndarray:
    """The tensor behind the first layer of `dense`, from the same numbers."""
    random = np.random.default_rng(seed)
    w, b = random.integers(-6, 7, (4, 2)) / 4, random.integers(-6, 7, 4) / 4
    return np.maximum(x.astype(float) @ w.T + b, 0)


@pytest.mark.parametrize("relation", TWO)
@pytest.mark.parametrize("offset", [-0.1, 1.0])
def test_two_networks_hidden_and_products(tmp_path, relation, offset):
    """`Y0 - W1 + H0` where the second network sees the first one's input, plus half a product of inputs."""
    files = {"N": str(dense(tmp_path / "n.onnx", 1))}
    if relation != "equal":
        files["M"] = str(dense(tmp_path / "m.onnx", 2))
    y, _ = run(files["N"], GRID)
    w, _ = run(files.get("M", files["N"]), GRID)
    h = relu(1 if relation == "equal" else 2, GRID)
    value = y[:, 0] - w[:, 1] + h[:, 0] + 0.5 * GRID[:, 0].astype(float) * GRID[:, 1]
    assertions = [
        *boxed(),
        *boxed(x="V"),
        *(f"(<= (- X[0,{i}] V[0,{i}]) 0.0)" for i in (0, 1)),
        *(f"(>= (- X[0,{i}] V[0,{i}]) 0.0)" for i in (0, 1)),
        f"(>= (+ Y[0,0] (- W[0,1]) H[0,0] (* 0.5 X[0,0] X[0,1])) {value.max() + offset:.6f})",
    ]
    query = parse(asked(*assertions, networks=TWO[relation]))
    found = answer(query, files, Settings(plan("auto"), timeout=20.0))
    assert found.word == ("unsat" if offset > 0 else "sat")
    assert offset > 0 or holds(query, found.assignment)


@pytest.mark.parametrize("offset", [-0.1, 1.0])
def test_products_of_outputs_and_powers(tmp_path, offset):
    path = str(dense(tmp_path / "n.onnx", 3))
    y, x = run(path, GRID)
    greatest = (y[:, 0] * y[:, 1] - x[:, 0] ** 3).max()
    text = asked(*boxed(), f"(>= (- (* Y[0,0] Y[0,1]) (* X[0,0] X[0,0] X[0,0])) {greatest + offset:.6f})")
    query = parse(text)
    found = answer(query, {"N": path}, Settings(plan("auto"), timeout=20.0))
    assert found.word == ("unsat" if offset > 0 else "sat")
    assert offset > 0 or holds(query, found.assignment)
