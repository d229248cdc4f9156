"""Everything that waits for a GPU, in one call: the same answers as on the CPU, and how fast.

    python benchmarks/gpu.py [--reference DIR] [--out FILE]

Checks (any failure ends with exit code 1): evaluation, bounds of every method and memory budget, and verdicts of the
models that ship agree between CPU and GPU; proofs are the CPU's own. Timings: forward pass, bounds, a survey of a
hundred images and how far a search comes, on both. Says so and does nothing where torch sees no GPU.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import verifier
from verifier.api import METHODS, bounds, verify_each
from verifier.formats.datasets import sample

MODELS = {"mnist_dense": 0.03, "mnist_conv": 0.03, "mnist_conv_certified": 0.1, "cifar10_conv": 1 / 255}
SEARCHED = {"mnist_dense": (5, 0.05), "mnist_conv": (0, 0.06)}  # an image and a radius that seconds don't decide
SECONDS = 10.0  # for a search
ROOT = Path(__file__).resolve().parent.parent


Question = tuple[verifier.Model, verifier.Region, verifier.Specification]


def question(name: str, count: int) -> Question:
    """The first images of the sample at the model's radius."""
    return around(name, slice(count), MODELS[name])


def around(name: str, which: slice, radius: float) -> Question:
    model = verifier.load(ROOT / "models" / f"{name}.onnx")
    data = sample(model.graph.metadata["dataset"])
    images = torch.tensor(data.images[which]).reshape(-1, *model.graph.input.shape)
    region = verifier.linf(images, radius, 0.0, 1.0)
    return model, region, verifier.robust(torch.tensor(data.labels[which]), model.graph.output_shape)


def seconds(call: Callable[[], object], device: str) -> float:
    """The best of three, the device idle before and after."""
    best = torch.inf
    for _ in range(3):
        _wait(device)
        start = time.perf_counter()
        call()
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return best


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def check(name: str, device: str) -> list[str]:
    """What differs between CPU and GPU."""
    model, region, specification = question(name, 4)
    wrong = []
    for method in METHODS:
        found = {
            (place, memory): bounds(model, region, specification, method=method, device=place, memory=memory).rows.cpu()
            for place, memory in (("cpu", 2**30), (device, 2**30), (device, 2**27))
        }
        expected = found.pop(("cpu", 2**30))
        slack = 2e-3 if method == "alpha-crown" else 1e-4  # gradient steps amplify rounding
        for key, rows in found.items():
            gap = float(((rows - expected).abs() / expected.abs().clamp(min=1)).max())
            if not gap < slack:
                wrong.append(f"{name} {method} {key}: rows differ by {gap:.1e}")
    verdicts = [
        {
            answer.index: type(answer.verdict).__name__
            for answer in verify_each(model, region, specification, device=place)
        }
        for place in ("cpu", device)
    ]
    if verdicts[0] != verdicts[1]:
        wrong.append(f"{name}: verdicts {verdicts[0]} on the CPU, {verdicts[1]} on the GPU")
    return wrong


def timings(name: str, device: str) -> dict[str, object]:
    """Seconds of one forward pass and of each method, for 32 images; peak device memory in MB."""
    model, region, specification = question(name, 32)
    graph = model.graph.to(torch.float32, device)
    x = region.to(torch.float32, device).box().center
    row: dict[str, object] = {"model": name, "device": device, "forward": seconds(lambda: graph(x), device)}
    for method in METHODS:
        row[method] = seconds(lambda m=method: bounds(model, region, specification, method=m, device=device), device)
    row["survey"] = seconds(lambda: list(verify_each(model, region, specification, device=device)), device)
    if name in SEARCHED:
        row["domains"] = domains(name, device)
    row["peak_mb"] = 0 if device == "cpu" else torch.cuda.max_memory_allocated() // 2**20
    return row


def domains(name: str, device: str) -> str:
    """How far branch and bound comes."""
    place, radius = SEARCHED[name]
    asked = around(name, slice(place, place + 1), radius)
    (answer,) = verify_each(*asked, method="bab", device=device, timeout=SECONDS)
    return getattr(answer.verdict, "detail", type(answer.verdict).__name__)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="also run benchmarks/bounds.py on this folder")
    parser.add_argument("--out", type=Path, help="write the table there, one JSON object a line")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU: torch sees no CUDA device, nothing was checked")
        return 0
    print(torch.cuda.get_device_name(), "torch", torch.__version__, platform.platform())
    wrong = [line for name in MODELS for line in check(name, "cuda")]
    print("\n".join(wrong) or "CPU and GPU agree")
    rows = [timings(name, device) for name in MODELS for device in ("cpu", "cuda")]
    text = "\n".join(json.dumps(row) for row in rows)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
    if args.reference:
        import subprocess

        script = [sys.executable, str(Path(__file__).with_name("bounds.py")), str(args.reference), "--device", "cuda"]
        subprocess.run(script, check=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
