"""The models that ship: valid, described, as accurate on the sample as measured; and the recipe that makes them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from verifier.formats.datasets import sample

MODELS = Path(__file__).parents[1] / "models"

# How many of the sample's 100 images each file gets right: measured.
RIGHT = {
    "mnist_dense": 100,
    "mnist_dense_certified": 98,
    "mnist_conv": 100,
    "mnist_conv_certified": 100,
    "cifar10_conv": 60,
}
EPS_TRAIN = {"mnist_dense_certified": 0.1, "mnist_conv_certified": 0.1, "cifar10_conv": 2 / 255}


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return session(model).run(None, {"input": images})[0]


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("models_train", MODELS / "train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the recipe; small tensors are several times slower on threads that are busy
    yield module
    torch.set_num_threads(threads)
    del sys.modules[spec.name]


def test_every_file_has_a_recipe_and_a_card(recipe):
    files = {path.stem for path in MODELS.glob("*.onnx")}
    assert files == set(RIGHT) == set(recipe.RECIPES)
    card = (MODELS / "README.md").read_text("utf-8")
    for name in files:
        assert f"python models/train.py {name} " in card


@pytest.mark.parametrize("name", RIGHT)
class TestShipped:
    @pytest.fixture
    def model(self, name):
        return onnx.load(MODELS / f"{name}.onnx")

    @pytest.fixture
    def data(self, name):
        return sample(name.split("_")[0])

    def test_valid_and_small(self, name, model):
        onnx.checker.check_model(model, full_check=True)
        assert (MODELS / f"{name}.onnx").stat().st_size < 1.5e6
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
        assert 8 <= model.ir_version <= 10

    def test_input_and_output(self, name, model, data):
        axes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        assert axes == ["batch", *data.images.shape[1:]]
        axes = [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
        assert axes == ["batch", 10]

    def test_normalisation_is_in_the_graph(self, name, model):
        assert [node.op_type for node in model.graph.node[:2]] == ["Sub", "Div"]

    def test_metadata(self, name, model, data):
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["dataset"] == data.name
        assert metadata["input_range"] == "0 1"
        assert tuple(metadata["classes"].split(",")) == data.classes
        assert metadata["training"]
        assert float(metadata.get("eps_train", 0)) == pytest.approx(EPS_TRAIN.get(name, 0), rel=1e-5)

    def test_accuracy_on_the_sample(self, name, model, data):
        right = run(model, data.images).argmax(1) == data.labels
        assert right.sum() >= RIGHT[name]

    def test_any_batch_size(self, name, model, data):
        whole = run(model, data.images[:7])
        assert whole.shape == (7, 10)
        single = np.concatenate([run(model, data.images[k : k + 1]) for k in range(7)])
        np.testing.assert_allclose(single, whole, rtol=1e-4, atol=1e-4)

    def test_two_engines_agree(self, name, model, data):
        images = data.images[:2]
        (reference,) = ReferenceEvaluator(model).run(None, {"input": images})
        np.testing.assert_allclose(run(model, images), reference, rtol=1e-4, atol=1e-4)


class TestRecipe:
    @pytest.fixture(params=["dense-mnist", "conv-mnist", "conv-cifar10"])
    def trained(self, request, recipe):
        """An untrained network of each shape, and images of its data set."""
        network, dataset = request.param.split("-")
        data = sample(dataset)
        torch.manual_seed(0)
        images = torch.from_numpy(data.images)
        return getattr(recipe, network)(images).eval(), images[:20], torch.from_numpy(data.labels[:20])

    def test_the_file_computes_what_was_trained(self, recipe, trained):
        network, images, _ = trained
        model = recipe.to_onnx("test", network, tuple(images.shape[1:]), {"dataset": "none"})
        np.testing.assert_allclose(run(model, images.numpy()), network(images).detach(), rtol=1e-4, atol=1e-5)

    def test_interval_bounds_hold(self, recipe, trained):
        network, images, labels = trained
        eps = 0.02
        worst = recipe.worst_logits(network, images, labels, eps)
        lower, upper = recipe.box(images, eps)
        points = [lower + (upper - lower) * torch.rand_like(images).round() for _ in range(5)]
        for point in [*points, recipe.attack(network, images, labels, eps, 5)]:
            logits = network(point)
            assert (logits - logits.gather(1, labels[:, None]) <= worst + 1e-4).all()

    def test_attack_stays_in_the_box_and_raises_the_loss(self, recipe, trained):
        network, images, labels = trained
        point = recipe.attack(network, images, labels, 0.05, 10)
        lower, upper = recipe.box(images, 0.05)
        assert ((lower <= point) & (point <= upper)).all()
        loss = torch.nn.functional.cross_entropy
        assert loss(network(point), labels) > loss(network(images), labels)

    @pytest.mark.parametrize("objective", ["Plain", "Adversarial", "Certified"])
    def test_training_learns_the_sample(self, recipe, objective, capsys):
        made = {"Plain": (), "Adversarial": (0.02, 1), "Certified": (0.02,)}[objective]
        chosen = recipe.Recipe("mnist", recipe.dense, getattr(recipe, objective)(*made), 15, ())
        data = sample("mnist")
        network = recipe.train(chosen, data, seed=0, size=20)
        right = network(torch.from_numpy(data.images)).argmax(1).numpy() == data.labels
        assert right.mean() > 0.9
        assert "epoch 15/15" in capsys.readouterr().out
