"""Every ONNX network at hand, and the node cases of the onnx package: does our graph equal other engines?

    python benchmarks/onnx_equality.py [--networks FOLDER] [--nodes] [--points 20]

Prints one line per family of networks (`FOLDER/family/onnx/*.onnx[.gz]`) with the worst relative difference to ONNX
Runtime, and with `--nodes` how many node cases load and equal their recorded outputs, and which do not.
"""

import argparse
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from verifier.errors import InvalidModel, UnsupportedModel
from verifier.formats.onnx import load_onnx

ROOT = Path(__file__).resolve().parents[2] / "shared" / "vnncomp"


def networks(folder: Path, points: int) -> None:
    for family in sorted(folder.iterdir()):
        worst, count, slowest = 0.0, 0, 0.0
        for path in sorted(family.glob("onnx/*.onnx*")):
            start = time.perf_counter()
            try:
                model = load_onnx(path)
            except (InvalidModel, UnsupportedModel) as error:
                print(f"{family.name}/{path.name}: {error}")
                continue
            slowest = max(slowest, time.perf_counter() - start)
            x = np.random.default_rng(0).random((points, *model.graph.input.shape), dtype=np.float32)
            theirs = model.evaluator(x)
            with torch.no_grad():
                ours = model.graph(torch.from_numpy(x).double()).numpy()
            worst, count = max(worst, float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30))), count + 1
        if count:
            print(f"{family.name:20} {count:3} networks  worst {worst:.1e}  slowest load {slowest * 1000:.0f} ms")


def nodes() -> None:
    from onnx.backend.test.case.node import collect_testcases

    warnings.simplefilter("ignore")
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        for case in collect_testcases(None):
            for inputs, outputs in case.data_sets:
                if not all(isinstance(a, np.ndarray) for a in (*inputs, *outputs)):
                    tally["no tensors"] += 1
                    continue
                for live in choices(case.model, inputs):
                    path.write_bytes(specialised(case.model, inputs, live).SerializeToString())
                    x = np.concatenate([inputs[i].reshape(-1) for i in live]) if len(live) > 1 else inputs[live[0]]
                    for info, expected in zip(case.model.graph.output, outputs, strict=True):
                        verdict = ask(path, info.name, x, expected)
                        tally[verdict.split(":")[0]] += 1
                        if verdict.startswith("differs"):
                            print(f"{case.name}, live inputs {live}: {verdict}")
    print(", ".join(f"{count} {verdict}" for verdict, count in tally.most_common()))


def choices(model: onnx.ModelProto, inputs: list[np.ndarray]) -> Iterator[list[int]]:
    """Only the first real input varies, or all of them do."""
    real = [i for i, a in enumerate(inputs) if a.dtype.kind == "f" and a.size]
    if real:
        yield real[:1]
    if len(real) > 1:
        yield real


def specialised(model: onnx.ModelProto, inputs: list[np.ndarray], live: list[int]) -> onnx.ModelProto:
    """The model with its other inputs as initializers; outputs lose their shape, so no axis is taken for a batch."""
    new = onnx.ModelProto()
    new.CopyFrom(model)
    del new.graph.input[:]
    for i, (info, array) in enumerate(zip(model.graph.input, inputs, strict=True)):
        if i in live:
            kind = new.graph.input.add()
            kind.CopyFrom(onnx.helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, array.shape))
        else:
            new.graph.initializer.append(numpy_helper.from_array(array, info.name))
    for info in new.graph.output:
        info.type.tensor_type.ClearField("shape")
    return new


def ask(path: Path, output: str, x: np.ndarray, expected: np.ndarray) -> str:
    try:
        model = load_onnx(path, output=output)
    except (InvalidModel, UnsupportedModel) as error:
        return f"{type(error).__name__}: {error}"
    ours = model.graph(torch.from_numpy(x.astype(np.float64)).unsqueeze(0))[0].numpy()
    if ours.shape != expected.shape:
        return f"differs: shape {ours.shape}, not {expected.shape}"
    tolerance = 1e-2 if expected.dtype == np.float16 else 1e-4
    close = np.isclose(ours, expected.astype(np.float64), rtol=tolerance, atol=1e-5, equal_nan=True)
    return "equal" if close.all() else f"differs: in {(~close).sum()} of {close.size} entries"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=ROOT)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--nodes", action="store_true")
    options = parser.parse_args()
    if options.nodes:
        nodes()
    else:
        networks(options.networks, options.points)


if __name__ == "__main__":
    main()
