"""Modules become graphs that compute the same."""

import contextlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_nets import NETS, Function, close, network

from verifier.errors import InputError, UnsupportedModel
from verifier.formats.torch import load_module
from verifier.formats.torch.aten import overload
from verifier.formats.torch.ops.table import FOLDABLE


@pytest.mark.parametrize("name", NETS)
def test_graph_equals_module(name: str) -> None:
    module, shape = network(name)
    model = load_module(module, torch.randn(shape, dtype=torch.float64))
    x = torch.randn((4, *shape)).double()
    with torch.no_grad():
        expected = torch.stack([module(row.clone()) for row in x])
    assert model.graph.input.shape == shape
    assert close(model.graph(x), expected)
    assert np.array_equal(model.evaluator(x.numpy()), expected.numpy())


def test_every_operator_of_the_table_exists() -> None:
    assert [name for name in FOLDABLE if overload(name) is None] == []


def test_first_axis_of_several_rows_is_a_batch() -> None:
    module, _ = network("cnn")
    model = load_module(module, torch.randn(5, 3, 12, 12))
    assert model.graph.input.shape == (1, 3, 12, 12)
    assert "batch axis" in model.notes[0]


def test_causal_module_has_no_batch_axis() -> None:
    """The first row depends on itself alone, but the others don't."""
    model = load_module(Function(lambda x: x.cumsum(0)), torch.zeros(3, 2))
    assert model.graph.input.shape == (3, 2)
    assert "no batch axis" in model.notes[0]
    x = torch.randn(2, 3, 2).double()
    assert close(model.graph(x), x.cumsum(1))


def test_a_module_for_a_fixed_number_of_rows_keeps_its_shape() -> None:
    model = load_module(Function(lambda x: x.reshape(2, 6)), torch.randn(4, 3))
    assert model.graph.input.shape == (4, 3)


def test_module_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    module[2].eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    load_module(module, torch.randn(3, 2))
    assert [part.training for part in module] == [True, True, False]
    assert module[0].weight.dtype == torch.float32
    assert module[0].weight.requires_grad
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_later_training_does_not_change_the_model() -> None:
    module = nn.Linear(2, 1)
    model = load_module(module, torch.randn(1, 2))
    x = torch.randn(3, 1, 2)
    before = model.evaluator(x.numpy())
    with torch.no_grad():
        module.weight.zero_()
    assert np.array_equal(model.evaluator(x.numpy()), before)
    assert np.allclose(model.graph(x.double()).numpy(), before, atol=1e-6)


def test_parameters_are_exact() -> None:
    module = nn.Linear(3, 2)
    graph = load_module(module, torch.randn(1, 3)).graph
    (node,) = graph.nodes[1:]
    assert node.op.weight.dtype == torch.float64
    assert torch.equal(node.op.weight, module.weight.double())


def test_inplace_activations_keep_the_program_plain() -> None:
    module, shape = network("cnn")
    labels = [node.op.label for node in load_module(module, torch.randn(shape)).graph.nodes]
    assert labels == ["Input", "Conv", "Shift", "Scale", "Shift", "Relu", "Pick", "Max", "Reshape", "Linear"]


def test_all_obstacles_are_listed_at_once() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(4, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.rnn(x)[0]
            return torch.sort(y, dim=1).values + x.argmax(2, keepdim=True) + x.to(torch.float16)

    with pytest.raises(UnsupportedModel) as caught:
        load_module(Bad(), torch.randn(1, 3, 4))
    message = str(caught.value)
    for part in ("lstm.input", "rnn", "sort", "argmax.default", "a cast to torch.float16", "test_module.py:"):
        assert part in message


def test_index_of_a_maximum_is_an_obstacle_only_where_it_is_used() -> None:
    load_module(Function(lambda x: x.max(1)[0]), torch.randn(1, 3))
    with pytest.raises(UnsupportedModel, match="place of a maximum"):
        load_module(Function(lambda x: x.max(1)[0] + x.max(1)[1] * 2), torch.randn(1, 3))


def test_truth_values_are_no_numbers() -> None:
    """True + True is True in PyTorch, not two."""
    with pytest.raises(UnsupportedModel, match="truth"):
        load_module(Function(lambda x: ((x > 0).unsqueeze(0) + (x > -1)).float()), torch.randn(1, 3))
    model = load_module(Function(lambda x: (x > 0).float() + (x > -1).float()), torch.randn(1, 3))
    assert model.graph(torch.ones(1, 1, 3).double()).tolist() == [[[2, 2, 2]]]


def test_control_flow_on_values_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedModel, match=r"can't be exported(.|\n)*Try"):
        load_module(Function(lambda x: x if x.sum() > 0 else -x), torch.randn(1, 3))


def test_a_module_that_changes_its_buffers_is_refused() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x + self.count

    with pytest.raises(UnsupportedModel, match="buffer"):
        load_module(Counter(), torch.randn(1, 3))


def test_several_outputs_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="returns 2"):
        load_module(Function(lambda x: (x, x + 1)), torch.randn(1, 3))


def test_integer_example_is_refused() -> None:
    with pytest.raises(InputError):
        load_module(Function(lambda x: x + 1), torch.zeros(1, 3, dtype=torch.int64))


def test_constant_output() -> None:
    model = load_module(Function(lambda x: torch.ones(2)), torch.randn(1, 3))
    assert model.graph(torch.randn(4, 1, 3).double()).tolist() == [[1, 1]] * 4


def test_dropout_in_eval_mode_returns_its_argument() -> None:
    """`torch.export` with rewritten writes forgets this; the graph would be another function."""

    def forget(x: Tensor) -> Tensor:
        y = x * 2
        nn.functional.dropout(y, 0.5, False).relu_()
        return y

    with pytest.raises(UnsupportedModel, match="in place"):
        load_module(Function(forget), torch.randn(1, 3))


ALIASES = {
    "transpose": lambda x: (y := x * 1, y.transpose(0, 1).add_(1))[0],
    "chunk": lambda x: (y := x * 2, y.chunk(2, 1)[0].mul_(3))[0],
    "input": lambda x: (x.relu_(), x + 1)[1],
    "view after": lambda x: (y := x.clone(), y.view(-1), y.mul_(2))[1],
    "einsum": lambda x: (y := x + 1, torch.einsum("ij->ji", y).mul_(2))[0],
}


@pytest.mark.parametrize("name", ALIASES)
def test_names_that_share_memory(name: str) -> None:
    """Either the right function or a refusal."""
    function = ALIASES[name]
    x = torch.randn(3, 1, 4).double()
    expected = torch.stack([function(row.clone()) for row in x])
    with contextlib.suppress(UnsupportedModel):
        assert close(load_module(Function(function), torch.randn(1, 4)).graph(x), expected)
