"""Before anything is verified, the graph is compared with the model's own engine, whichever door a user takes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import verifier
from verifier.api import verify_each
from verifier.errors import InvalidModel
from verifier.graph.build import Builder
from verifier.graph.ops.dense import Linear
from verifier.model import Model
from verifier.radius import max_radius


class Engine:
    """Runs `y = W x`, and `shift` more than our graph says."""

    name = "test engine"

    def __init__(self, weight: torch.Tensor, shift: float) -> None:
        self.weight, self.shift = weight.numpy().astype(np.float32), np.float32(shift)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight.T + self.shift * np.arange(len(self.weight), dtype=np.float32)


@pytest.fixture
def model() -> Model:
    weight = torch.tensor([[3.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    builder = Builder("x", (2,))
    graph = builder.finish(builder.add(Linear(weight), builder.input, name="y"), {})
    return Model(graph, Engine(weight, 0.0), "made here")


def test_agreement_is_verified_and_disagreement_stops(model: Model) -> None:
    center = torch.ones(1, 2)
    region, stays = verifier.linf(center, 0.1, 0, 2), verifier.robust(torch.tensor([0]), (2,))
    assert isinstance(verifier.verify(model, region, stays), verifier.Verified)
    wrong = replace(model, evaluator=Engine(torch.tensor([[3.0, 1.0], [0.0, 1.0]]), 0.5))
    with pytest.raises(InvalidModel, match="disagrees with test engine"):
        verifier.verify(wrong, region, stays)
    with pytest.raises(InvalidModel, match="disagrees with test engine"):
        list(max_radius(wrong, center, stays))
    assert list(verify_each(wrong, region, stays, check=False))  # only for who has compared already
