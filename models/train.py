"""Make one of the networks in this folder again: train, measure, write ONNX.

    python models/train.py mnist_conv_certified --data DIR        (DIR: the MNIST or CIFAR-10 files)

One thread and one seed: the same machine and the same torch give the same file. The last epoch is what is written;
the test images are only looked at to fill in the model card.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from verifier.formats.datasets import Dataset, load_directory


class Normalise(nn.Module):
    """(x - mean) / std for each channel: part of the network, so that a radius is always in units of the pixels."""

    def __init__(self, images: Tensor):
        super().__init__()
        self.register_buffer("mean", images.mean((0, 2, 3))[:, None, None])
        self.register_buffer("std", images.std((0, 2, 3))[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def dense(images: Tensor) -> nn.Sequential:
    size = images[0].numel()
    return nn.Sequential(
        Normalise(images), nn.Flatten(), nn.Linear(size, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip


def conv(images: Tensor) -> nn.Sequential:
    channels, side = images.shape[1], images.shape[2] // 4
    return nn.Sequential(
        Normalise(images), nn.Conv2d(channels, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * side * side, 100), nn.ReLU(), nn.Linear(100, 10),
    )  # fmt: skip


# Bounds and attacks that training needs. They are ordinary float32: nothing here is a proof.


def box(images: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return (images - eps).clamp(min=0), (images + eps).clamp(max=1)


def worst_logits(network: nn.Sequential, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Upper bounds `(B, 10)` of logit k - logit of the label over the box, by intervals (Gowal et al. 2018).

    The last layer is multiplied into the differences before it is bounded, which is never looser.
    """
    lower, upper = box(images, eps)
    centre, radius = (upper + lower) / 2, (upper - lower) / 2
    *body, last = network
    for layer in body:
        centre, radius = interval(layer, centre, radius)
    rows = last.weight - last.weight[labels][:, None]  # (B, 10, H)
    offset = last.bias - last.bias[labels][:, None]
    return torch.einsum("bh,bkh->bk", centre, rows) + torch.einsum("bh,bkh->bk", radius, rows.abs()) + offset


def interval(layer: nn.Module, centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    match layer:
        case nn.ReLU():
            lower, upper = F.relu(centre - radius), F.relu(centre + radius)
            return (upper + lower) / 2, (upper - lower) / 2
        case nn.Linear():
            return layer(centre), F.linear(radius, layer.weight.abs())
        case nn.Conv2d():
            return layer(centre), F.conv2d(radius, layer.weight.abs(), None, layer.stride, layer.padding)
        case Normalise():
            return layer(centre), radius / layer.std
        case nn.Flatten():
            return layer(centre), layer(radius)
    raise TypeError(f"no interval rule for {type(layer).__name__}")


def attack(network: nn.Module, images: Tensor, labels: Tensor, eps: float, steps: int) -> Tensor:
    """Images in the box with a higher loss: projected gradient ascent from a random start (Madry et al. 2018)."""
    lower, upper = box(images, eps)
    point = lower + (upper - lower) * torch.rand_like(images)
    for _ in range(steps):
        point = point.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(network(point), labels), point)
        point = (point + 2.5 * eps / (steps + 1) * slope.sign()).clamp(lower, upper)
    return point.detach()


# What is minimised. `progress` runs from 0 to 1 over the training; the learning rate falls after `steady`.


@dataclass(frozen=True)
class Plain:
    eps: float | None = None
    steady: float = 0.0

    def __str__(self) -> str:
        return "cross entropy"

    def loss(self, network: nn.Sequential, images: Tensor, labels: Tensor, progress: float) -> Tensor:
        return F.cross_entropy(network(images), labels)


@dataclass(frozen=True)
class Adversarial:
    eps: float
    steps: int
    steady: float = 0.0

    def __str__(self) -> str:
        return f"adversarial: PGD, {self.steps} steps, eps {self.eps:.6g}"

    def loss(self, network: nn.Sequential, images: Tensor, labels: Tensor, progress: float) -> Tensor:
        return F.cross_entropy(network(attack(network, images, labels, self.eps, self.steps)), labels)


@dataclass(frozen=True)
class Certified:
    """Half cross entropy, half cross entropy of the interval bounds; both weight and radius are ramped up."""

    eps: float
    start: float = 0.03
    steady: float = 0.6

    def __str__(self) -> str:
        return f"certified: interval bound propagation, eps ramped to {self.eps:.6g}"

    def loss(self, network: nn.Sequential, images: Tensor, labels: Tensor, progress: float) -> Tensor:
        strength = min(max((progress - self.start) / (self.steady - self.start), 0.0), 1.0)
        clean = F.cross_entropy(network(images), labels)
        worst = F.cross_entropy(worst_logits(network, images, labels, strength * self.eps), labels)
        return (1 - strength / 2) * clean + strength / 2 * worst


@dataclass(frozen=True)
class Recipe:
    dataset: str
    network: Callable[[Tensor], nn.Sequential]
    objective: Plain | Adversarial | Certified
    epochs: int
    measured: tuple[float, ...]  # radii for the model card
    weight_decay: float = 0.0
    augment: bool = False


MNIST_EPS = (0.03, 0.1)
RECIPES = {
    "mnist_dense": Recipe("mnist", dense, Plain(), 15, MNIST_EPS, weight_decay=1e-4),
    "mnist_dense_certified": Recipe("mnist", dense, Certified(0.1), 80, MNIST_EPS),
    "mnist_conv": Recipe("mnist", conv, Plain(), 10, MNIST_EPS, weight_decay=1e-4),
    "mnist_conv_certified": Recipe("mnist", conv, Certified(0.1), 40, MNIST_EPS),
    "cifar10_conv": Recipe("cifar10", conv, Adversarial(2 / 255, 2), 30, (1 / 255, 2 / 255), augment=True),
}


def batches(images: Tensor, labels: Tensor, size: int, augment: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order; with `augment` each image is mirrored at random and each batch shifted by <= 2."""
    for index in torch.randperm(len(images)).split(size):
        chosen = images[index]
        if augment:
            mirror = torch.rand(len(index), 1, 1, 1) < 0.5
            chosen = torch.where(mirror, chosen.flip(-1), chosen)
            down, right = torch.randint(0, 5, (2,)).tolist()
            chosen = F.pad(chosen, (2, 2, 2, 2))[..., down:, right:][..., : images.shape[2], : images.shape[3]]
        yield chosen, labels[index]


def train(recipe: Recipe, data: Dataset, seed: int, size: int = 128) -> nn.Sequential:
    torch.manual_seed(seed)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    network = recipe.network(images)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=recipe.weight_decay)
    total, step, begin = recipe.epochs * math.ceil(len(labels) / size), 0, time.time()
    for epoch in range(1, recipe.epochs + 1):
        summed = 0.0
        for chosen, wanted in batches(images, labels, size, recipe.augment):
            progress = step / total
            late = max(progress - recipe.objective.steady, 0) / (1 - recipe.objective.steady)
            optimiser.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * late)) / 2
            loss = recipe.objective.loss(network, chosen, wanted, progress)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step, summed = step + 1, summed + loss.item() * len(wanted)
        print(f"epoch {epoch}/{recipe.epochs} loss {summed / len(labels):.4f} {time.time() - begin:.0f} s", flush=True)
    return network.eval().requires_grad_(False)


def measure(network: nn.Sequential, data: Dataset, radii: tuple[float, ...]) -> None:
    """Print accuracy: clean, under attack (an upper bound of the robust accuracy), by intervals (a lower bound)."""
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    torch.manual_seed(0)

    def percent(right: Callable[[Tensor, Tensor], Tensor]) -> str:
        parts = zip(images.split(500), labels.split(500), strict=True)
        return f"{100 * sum(right(x, y).sum().item() for x, y in parts) / len(labels):.2f} %"

    def certified(x: Tensor, y: Tensor, eps: float) -> Tensor:
        worst = worst_logits(network, x, y, eps).scatter(1, y[:, None], -math.inf)
        return worst.amax(1) < 0

    print(f"clean {percent(lambda x, y: network(x).argmax(1) == y)} of {len(labels)} test images")
    for eps in radii:
        attacked = percent(lambda x, y, e=eps: network(attack(network, x, y, e, 20)).argmax(1) == y)
        print(f"eps {eps:.6g}: attacked {attacked}, interval bounds {percent(lambda x, y, e=eps: certified(x, y, e))}")


def to_onnx(name: str, network: nn.Sequential, shape: tuple[int, ...], metadata: dict[str, str]) -> onnx.ModelProto:
    """The network node by node, with a batch axis of any length."""
    nodes, weights, value = [], [], "input"

    def add(op: str, *constants: tuple[str, Tensor], **attributes: object) -> None:
        nonlocal value
        label = f"{op.lower()}_{len(nodes)}"
        names = [f"{label}.{key}" for key, _ in constants]
        weights.extend(
            numpy_helper.from_array(t.detach().numpy(), n) for n, (_, t) in zip(names, constants, strict=True)
        )
        nodes.append(helper.make_node(op, [value, *names], [label], label, **attributes))
        value = label

    for layer in network:
        match layer:
            case Normalise():
                add("Sub", ("mean", layer.mean[None]))
                add("Div", ("std", layer.std[None]))
            case nn.Conv2d():
                shape_of = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": 2 * layer.padding}
                add("Conv", ("weight", layer.weight), ("bias", layer.bias), **shape_of)
            case nn.Linear():
                add("Gemm", ("weight", layer.weight), ("bias", layer.bias), transB=1)
            case nn.Flatten():
                add("Flatten", axis=1)
            case nn.ReLU():
                add("Relu")
            case _:
                raise TypeError(f"no ONNX node for {type(layer).__name__}")
    nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True, help="directory with the data set's published files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where MODEL.onnx is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="fewer or more than the recipe says")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES[arguments.model]
    recipe = replace(recipe, epochs=arguments.epochs or recipe.epochs)
    data = load_directory(arguments.data, "train")
    if data.name != recipe.dataset:
        parser.error(f"{arguments.model} is trained on {recipe.dataset}, but {arguments.data} holds {data.name}")
    network = train(recipe, data, arguments.seed)
    metadata = {
        "dataset": data.name,
        "input_range": "0 1",
        "classes": ",".join(data.classes),
        "training": f"{recipe.objective}; {recipe.epochs} epochs, Adam, seed {arguments.seed}",
    }
    if recipe.objective.eps is not None:
        metadata["eps_train"] = f"{recipe.objective.eps:.6g}"
    model = to_onnx(arguments.model, network, data.images.shape[1:], metadata)
    path = arguments.out / f"{arguments.model}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{path}: {path.stat().st_size:,} bytes, {sum(p.numel() for p in network.parameters()):,} parameters")
    measure(network, load_directory(arguments.data, "test"), recipe.measured)


if __name__ == "__main__":
    main()
