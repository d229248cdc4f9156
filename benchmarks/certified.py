"""Certificates of VNN-LIB instances: which verified ones have one that is accepted, and what checking costs.

    python benchmarks/certified.py FOLDER [--instances FILE] [--families vit acasxu] [--each 3] [--timeout 20]

FOLDER holds `instances.csv` with the columns benchmark, onnx, vnnlib and, where known, expected; those that are
expected to be `sat` are left out. Both commands run in processes of their own; measured are processor seconds of the
whole commands, on one core, and shares with and without the time in which torch and onnx are imported.
"""

import argparse
import csv
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

VERIFY = [sys.executable, "-c", "from verifier.cli.main import command; command()"]
START = [sys.executable, "-c", "import torch, onnx"]
COLUMNS = ("benchmark", "onnx", "vnnlib", "verdict", "solve", "certificate", "check", "why")
Row = Mapping[str, str]


def command(*argv: str) -> tuple[str, float]:
    """What a command prints, both streams, and its processor seconds."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=alone)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout + done.stderr, end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def measure(folder: Path, row: Row, timeout: float) -> dict[str, str]:
    """Verify one instance, and check its certificate."""
    model, query = str(folder / row["onnx"]), str(folder / row["vnnlib"])
    result = {name: row.get(name, "") for name in COLUMNS[:3]} | dict.fromkeys(COLUMNS[3:], "")
    with tempfile.TemporaryDirectory() as place:
        proof = Path(place) / "proof.zip"
        asked = "--property", query, "--timeout", str(timeout), "--certificate", str(proof)
        text, spent = command(*VERIFY, model, *asked)
        answer = re.search(r"^(verified|falsified|unknown)\b", text, re.MULTILINE)
        result |= {"verdict": answer[1] if answer else "error", "solve": f"{spent:.2f}"}
        if result["verdict"] != "verified":
            return result
        lacking = re.search(r"no certificate for .*? questions: (.*)", text)
        if lacking or not proof.exists():
            return result | {"certificate": "none", "why": lacking[1] if lacking else text.strip()[-200:]}
        text, spent = command(*VERIFY, "check", str(proof), model, "--property", query)
    how = "accepted" if re.search(r"^accepted", text, re.MULTILINE) else "rejected"
    return result | {"certificate": how, "check": f"{spent:.2f}", "why": text.strip().splitlines()[-1][-200:]}


def summary(results: Iterable[Row], start: float) -> str:
    """A table by family; seconds are sums over the accepted, shares those of checking, also without `start` each."""
    families: dict[str, list[Row]] = defaultdict(list)
    for row in results:
        families[row["benchmark"]].append(row)
        families["all"].append(row)
    names = "family", "asked", "verified", "accepted", "solving s", "checking s", "share", "without start", "why not"
    lines = [_line(names), _line(("---",) * len(names))]
    for family, rows in sorted(families.items(), key=lambda item: (item[0] == "all", item[0])):
        proved = [r for r in rows if r["verdict"] == "verified"]
        good = [r for r in proved if r["certificate"] == "accepted"]
        solve, check = (sum(float(r[name]) for r in good) for name in ("solve", "check"))
        alone = start * len(good)
        shares = _share(check, solve), _share(max(check - alone, 0.0), solve - alone)
        why = Counter(r["why"].split(": ")[-1][:70] for r in proved if r["certificate"] != "accepted")
        reasons = "; ".join(f"{count} {text}" for text, count in why.items()) if family != "all" else ""
        counts = map(str, (len(rows), len(proved), len(good)))
        lines.append(_line((family, *counts, f"{solve:.1f}", f"{check:.1f}", *shares, reasons)))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole > 0 else ""


def chosen(rows: Iterable[Row], families: list[str] | None, each: int) -> list[Row]:
    """Of every family `each` that may be verified, spread over its list; 0 for all."""
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("expected") != "sat" and (families is None or row["benchmark"] in families):
            wanted[row["benchmark"]].append(row)
    found: list[Row] = []
    for group in wanted.values():
        step = max(1, len(group) // each) if each else 1
        found += group[::step][: each or None]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", type=Path)
    add("--instances", type=Path, help="another list with these columns, about files in FOLDER")
    add("--families", nargs="*")
    add("--each", type=int, default=3, help="instances of a family; 0 for all")
    add("--timeout", type=float, default=20.0)
    add("--results", type=Path, help="a CSV file to which every result is appended; what is in it is not run again")
    args = parser.parse_args()
    with (args.instances or args.folder / "instances.csv").open() as file:
        rows = chosen(list(csv.DictReader(file)), args.families, args.each)
    results: list[Row] = []
    if args.results and args.results.exists():
        with args.results.open() as file:
            results = list(csv.DictReader(file))
    done = {(r["onnx"], r["vnnlib"]) for r in results}
    for row in rows:
        if (row["onnx"], row["vnnlib"]) in done:
            continue
        result = measure(args.folder, row, args.timeout)
        results.append(result)
        print(",".join(result.values()), file=sys.stderr, flush=True)
        if args.results:
            _append(args.results, result)
    command(*START)  # reads the files once
    print(summary(results, command(*START)[1]))


def _append(path: Path, result: Row) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(result)


if __name__ == "__main__":
    main()
