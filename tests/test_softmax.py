"""A last softmax and comparisons of outputs: the question is asked in front of it; any other property is left alone."""

import math

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import nn

import verifier
from verifier.cli.explain import explanation
from verifier.problem import Problem, without_softmax

X = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))


class Last(nn.Module):
    def __init__(self, dim: int, log: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
        self.dim, self.function = dim, torch.log_softmax if log else torch.softmax

    def forward(self, x):
        z = self.body(x)
        return self.function(z.reshape(-1, 2, 2), self.dim).flatten(1) if self.dim == 2 else self.function(z, self.dim)


def asked(net, region, specification):
    return without_softmax(Problem(verifier.load(net, X[:1]), region.reshape((1, 6)), specification))


@pytest.mark.parametrize("log", [False, True])
def test_labels_are_compared_in_front_of_it(log):
    net = Last(1, log).eval()
    labels = net(X).argmax(1)
    specification, region = verifier.robust(labels, (1, 4)), verifier.linf(X, 0.01, 0, 1)
    model, bare = verifier.load(net, X[:1]), verifier.load(net.body, X[:1])
    told, plain = (
        sorted(verifier.verify_each(m, region, specification), key=lambda answer: answer.index) for m in (model, bare)
    )
    for a, b in zip(told, plain, strict=True):
        assert type(a.verdict) is type(b.verdict)
        if isinstance(a.verdict, verifier.Verified):
            assert math.isclose(a.verdict.margin, b.verdict.margin)
    assert any(isinstance(a.verdict, verifier.Verified) for a in told)


def test_explain_says_so():
    assert "in front of" in explanation(verifier.load(Last(1), X[:1]), "auto")
    assert "in front of" not in explanation(verifier.load(Last(2), X[:1]), "auto")


def test_witnesses_are_of_the_whole_network():
    net = Last(1).eval()
    worst = net(X).argmin(1)
    specification = verifier.robust(worst, (1, 4))
    for answer in verifier.verify_each(verifier.load(net, X[:1]), verifier.linf(X, 0.01, 0, 1), specification):
        assert isinstance(answer.verdict, verifier.Falsified)
        assert torch.isclose(torch.as_tensor(answer.verdict.output).sum(), torch.tensor(1.0))


def test_groups_of_their_own_are_left_alone():
    specification = verifier.robust(torch.tensor([0, 0, 0]), (1, 4))
    problem = asked(Last(2), verifier.linf(X, 0.01, 0, 1), specification)
    assert problem.model.graph.by_name[problem.model.graph.output].op.label != "Linear"


@pytest.mark.parametrize("change", ["offset", "threshold", "weights"])
def test_other_properties_are_left_alone(change):
    """`p0 > 0.5`, `2 p0 > p1` and `p0 - p1 > 0.1` are not about order."""
    rows, offset = torch.zeros(1, 3, 1, 4, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    rows[..., 0] = 2 if change == "weights" else 1
    if change == "threshold":
        offset -= 0.5
    else:
        rows[..., 1] = -1
    if change == "offset":
        offset -= 0.1
    specification = verifier.Specification(rows, offset, (0,))
    problem = asked(Last(1), verifier.linf(X, 0.01, 0, 1), specification)
    assert problem.model.graph.by_name[problem.model.graph.output].op.label == "Softmax"


def test_masked_attention_is_read_and_bounded(tmp_path):
    """Scores that a mask makes -inf have no share: values, gradients and bounds stay numbers."""
    mask = np.triu(np.full((3, 3), -np.inf, np.float32), 1)
    nodes = [helper.make_node("Add", ["x", "mask"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=-1)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "masked", values[:1], values[1:], [numpy_helper.from_array(mask, "mask")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    model = verifier.load(tmp_path / "m.onnx")
    x = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
    ours = model.graph.to(torch.float32)(x.requires_grad_())
    assert np.allclose(ours.detach().numpy(), model.evaluator(x.detach().numpy()), atol=1e-6)
    (slope,) = torch.autograd.grad(ours.square().sum(), x)
    assert bool(slope.isfinite().all())
    for method in ("interval", "crown", "alpha-crown"):
        region = verifier.linf(x.detach(), 0.3, -2.0, 2.0)
        table = verifier.bounds(model, region, method=method, proof=True).table[model.graph.output]
        points = model.evaluator(region.project(x.detach() + torch.rand(50, 1, 3, 3) * 0.6 - 0.3).numpy())
        assert bool((table.lower <= torch.from_numpy(points).double() + 1e-6).all())
        assert bool((torch.from_numpy(points).double() - 1e-6 <= table.upper).all())
        assert bool((table.upper - table.lower < 0.5).all()), "what the mask hides is not bounded away"


def test_a_mask_that_hides_a_whole_row_is_refused(tmp_path):
    nodes = [helper.make_node("Add", ["x", "mask"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=-1)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 2]) for name in ("x", "y")]
    mask = np.array([[0, 0], [-np.inf, -np.inf]], np.float32)
    graph = helper.make_graph(nodes, "masked", values[:1], values[1:], [numpy_helper.from_array(mask, "mask")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(verifier.UnsupportedModel, match="hides all"):
        verifier.load(tmp_path / "m.onnx")
