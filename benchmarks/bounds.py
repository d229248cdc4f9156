"""Bounds beside a reference's, on exactly the same inputs: tightness, time, memory, and time in forward passes.

    python benchmarks/bounds.py REFERENCE_DIR [--method crown] [--net NAME] [--device cuda] [--threads 2] [--csv FILE]

REFERENCE_DIR holds NAME.npz files with `x (N, *in)`, `eps`, margins `C (N, S, K)`, the path `onnx` of the network
(relative to the folder above), and the reference's lower bounds `lb_IBP`, `lb_CROWN_IBP`, `lb_CROWN`,
`lb_CROWN_Optimized` and an attack's upper bounds `ub_attack`, all `(N, S)`; and `times.csv` with its seconds.
Each method runs in a process of its own, so that peak memory is that method's.
"""

import argparse
import csv
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import verifier
from verifier.api import bounds
from verifier.properties import Specification

KEYS = {"interval": "IBP", "crown-ibp": "CROWN_IBP", "crown": "CROWN", "alpha-crown": "CROWN_Optimized"}
TIMES = {"interval": "IBP", "crown-ibp": "CROWN-IBP", "crown": "CROWN", "alpha-crown": "CROWN-Optimized"}
COLUMNS = ["net", "method", "seconds", "ref_s", "forwards", "mean", "ref_mean", "least_lead", "looser"]
COLUMNS += ["beyond_attack", "certified", "peak_mb"]


def question(folder: Path, name: str) -> tuple[verifier.Model, verifier.Region, Specification, dict]:
    """The network, the boxes and the margins of one reference file."""
    data = dict(np.load(folder / f"{name}.npz"))
    model = verifier.load(folder.parent.parent / str(data["onnx"]))
    count, rows, _ = data["C"].shape
    x = torch.tensor(data["x"]).reshape(count, *model.graph.input.shape)
    region = verifier.linf(x, float(data["eps"]), -torch.inf, torch.inf)
    margins = torch.tensor(data["C"]).double().transpose(0, 1).reshape(rows, count, *model.graph.output_shape)
    return model, region, Specification(margins, torch.zeros(rows, count).double(), tuple(range(rows))), data


def clock(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(args: argparse.Namespace) -> list[object]:
    """One row of the table."""
    torch.set_num_threads(args.threads)
    model, region, specification, data = question(args.reference, args.net)
    x = torch.tensor(data["x"]).reshape(-1, *model.graph.input.shape).to(args.device)
    graph = model.graph.to(torch.float32, args.device)
    forward = min(_seconds(lambda: graph(x), args.device) for _ in range(20))
    best = torch.inf
    for _ in range(1 if args.method == "alpha-crown" else 3):
        start = clock(args.device)
        found = bounds(model, region, specification, method=args.method, device=args.device)
        best = min(best, clock(args.device) - start)
    ours, reference = found.rows.T.cpu().numpy(), data[f"lb_{KEYS[args.method]}"]
    lead = (ours - reference) / np.maximum(1, np.abs(reference))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if args.device != "cpu":
        peak = torch.cuda.max_memory_allocated() // 2**20
    certified = int((ours > 0).all(1).sum())
    return [
        *(args.net, args.method, f"{best:.3f}", "", f"{best / forward:.0f}"),
        *(f"{ours.mean():.5f}", f"{reference.mean():.5f}", f"{lead.min():.1e}", int((lead < -1e-4).sum())),
        *(f"{(ours - data['ub_attack']).max():.4f}", certified, peak),
    ]


def _seconds(call: object, device: str) -> float:
    start = clock(device)
    call()  # type: ignore[operator]
    return clock(device) - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--method", choices=KEYS)
    parser.add_argument("--net")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--csv", type=Path, help="write the table there as well")
    args = parser.parse_args()
    args.reference = args.reference.resolve()
    if args.method and args.net:
        print(",".join(map(str, measure(args))))
        return
    with (args.reference / "times.csv").open() as file:
        times = {(row["net"], row["method"], row["conv_mode"]): row["time_s"] for row in csv.DictReader(file)}
    nets = [args.net] if args.net else sorted(path.stem for path in args.reference.glob("*.npz"))
    lines = [COLUMNS]
    print("  ".join(f"{c:>13}" for c in COLUMNS))
    for net in nets:
        for method in [args.method] if args.method else KEYS:
            command = [sys.executable, __file__, str(args.reference), "--net", net, "--method", method]
            command += ["--device", args.device, "--threads", str(args.threads)]
            done = subprocess.run(command, capture_output=True, text=True)
            row = done.stdout.strip().split(",") if done.returncode == 0 else [net, method, done.stderr[-200:]]
            if len(row) > 3:
                row[3] = times.get((net, TIMES[method], "patches"), "")
            lines.append(row)
            print("  ".join(f"{c:>13}" for c in row), flush=True)
    if args.csv:
        args.csv.write_text("\n".join(",".join(line) for line in lines) + "\n")


if __name__ == "__main__":
    main()
