"""Bounds of large networks at their instances' radius: seconds, peak memory, and the bound of every method.

    python benchmarks/scale.py FOLDER [--families metaroom yolo cgan] [--each 1] [--methods crown-ibp zonotope crown]

FOLDER holds `instances.csv` with the columns benchmark, onnx and vnnlib, as VNN-COMP stores them. Boxes and the first
fifty output constraints are picked out of the property by pattern; only simple ones are understood. Every measurement
runs in a process of its own.
"""

import argparse
import csv
import gzip
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

import verifier
from verifier.api import METHODS, bounds

NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"


def question(folder: Path, row: dict[str, str]) -> tuple[verifier.Model, verifier.Region, verifier.Specification]:
    """The network, the box, and one clause a constraint: that it can't be met."""
    model = verifier.load(folder / row["onnx"])
    with gzip.open(folder / row["vnnlib"], "rt") as file:
        text = file.read()
    shape, out = model.graph.input.shape, model.graph.output_shape
    ends = {
        "<=": torch.zeros(torch.Size(shape).numel()).double(),
        ">=": torch.zeros(torch.Size(shape).numel()).double(),
    }
    for relation, index, value in re.findall(rf"\((<=|>=)\s+X_(\d+)\s+({NUMBER})\s*\)", text):
        ends[relation][int(index)] = float(value)
    rows, offsets = [], []
    for relation, left, right in re.findall(rf"\((<=|>=)\s+Y_(\d+)\s+(Y_\d+|{NUMBER})\s*\)", text)[:50]:
        sign = 1.0 if relation == "<=" else -1.0
        line = torch.zeros(torch.Size(out).numel()).double()
        line[int(left)] += sign
        if right.startswith("Y_"):
            line[int(right[2:])] -= sign
        rows.append(line.reshape(1, *out))
        offsets.append(0.0 if right.startswith("Y_") else -sign * float(right))
    region = verifier.box(ends[">="].reshape(1, *shape), ends["<="].reshape(1, *shape))
    offset = torch.tensor(offsets).double().unsqueeze(1)
    return model, region, verifier.Specification(torch.stack(rows), offset, tuple(range(len(rows))))


def measure(folder: Path, row: dict[str, str], method: str, proof: bool) -> str:
    model, region, specification = question(folder, row)
    start = time.perf_counter()
    found = bounds(model, region, specification, method=method, proof=proof)
    spent = time.perf_counter() - start
    curved = [node for node in model.graph.nodes if node.op.label in ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Max")]
    neurons = sum(torch.Size(node.shape).numel() for node in curved)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    least, mean = float(found.rows.min()), float(found.rows.mean())
    return f"{neurons:>8} neurons {method:>10} {spent:7.1f} s {peak:6} MB  least {least:.5g}  mean {mean:.5g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", nargs="+", default=["metaroom", "yolo", "cgan"])
    parser.add_argument("--each", type=int, default=1, help="instances of every family")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["crown-ibp", "zonotope", "crown"])
    parser.add_argument("--proof", action="store_true", help="float64 with outward rounding")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    with (args.folder / "instances.csv").open() as file:
        rows = list(csv.DictReader(file))
    if args.one:
        print(measure(args.folder, rows[int(args.one)], args.methods[0], args.proof))
        return
    for family in args.families:
        chosen = [k for k, row in enumerate(rows) if row["benchmark"] == family][: args.each]
        for k in chosen:
            print(rows[k]["onnx"], rows[k]["vnnlib"].rpartition("/")[2], flush=True)
            for method in args.methods:
                command = [sys.executable, __file__, str(args.folder), "--methods", method, "--one", str(k)]
                done = subprocess.run(command + ["--proof"] * args.proof, capture_output=True, text=True)
                print("  ", done.stdout.strip() or done.stderr.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
