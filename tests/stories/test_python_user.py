"""What Python users bring and see: arrays as they are, verdicts that print in a line, devices that aren't there."""

import numpy as np
import pytest
import torch

import verifier

LAYER = torch.nn.Linear(6, 3)
X = np.random.default_rng(0).random((2, 6), dtype=np.float32)


@pytest.fixture(scope="module")
def model():
    return verifier.load(LAYER, torch.rand(1, 6))


@pytest.mark.parametrize("labels", [[0, 1], np.array([0, 1])])
def test_arrays_and_lists(model, labels):
    specification = verifier.robust(labels, model.graph.output_shape)
    assert torch.equal(specification.rows, verifier.robust(torch.tensor([0, 1]), model.graph.output_shape).rows)
    for region in (
        verifier.linf(X, 0.01, 0, 1),
        verifier.ball(X, 0.01, 2, 0, 1),
        verifier.box(X, X),
        verifier.linf(X, np.array([0.0, 0.1]), 0, 1),
    ):
        assert len(list(verifier.verify_each(model, region, specification))) == 2


def test_a_printed_witness_is_short():
    text = repr(verifier.Falsified(np.zeros((3, 224, 224)), np.zeros(3), -1.0, "pgd", "engine"))
    assert "witness" not in text
    assert len(text) < 200


def test_a_device_that_is_not_there(model):
    specification = verifier.robust([0, 1], model.graph.output_shape)
    with pytest.raises(verifier.InputError, match="cuda:99"):
        list(verifier.verify_each(model, verifier.linf(X, 0.01, 0, 1), specification, device="cuda:99"))
