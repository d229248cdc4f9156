"""Certificates of VNN-LIB instances: which verified ones have one that is accepted, and what checking costs.

    python benchmarks/certified.py FOLDER [--instances FILE] [--families vit acasxu] [--each 3] [--timeout 20]

FOLDER holds `instances.csv` with the columns benchmark, onnx, vnnlib and, where known, expected; those that are
expected to be `sat` are left out. Both commands run in processes of their own, and their wall seconds include Python's
and torch's start; `solve` and `check` are what the commands themselves say.
"""

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

VERIFY = [sys.executable, "-c", "import sys; from verifier.cli.main import main; sys.exit(main())"]
Row = Mapping[str, str]
COLUMNS = (
    "benchmark",
    "onnx",
    "vnnlib",
    "verdict",
    "solve",
    "verify_wall",
    "certificate",
    "check",
    "check_wall",
    "why",
)


def command(*argv: str) -> tuple[str, float]:
    """What `verify` prints, both streams, and its wall seconds."""
    start = time.perf_counter()
    done = subprocess.run([*VERIFY, *argv], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr, time.perf_counter() - start


def seconds(text: str) -> str:
    found = re.search(r"after ([\d.]+) s", text)
    return found[1] if found else ""


def measure(folder: Path, row: Row, timeout: float) -> dict[str, str]:
    """Verify one instance, and check its certificate."""
    model, query = str(folder / row["onnx"]), str(folder / row["vnnlib"])
    result = {name: row.get(name, "") for name in COLUMNS}
    with tempfile.TemporaryDirectory() as place:
        proof = Path(place) / "proof.zip"
        text, wall = command(model, "--property", query, "--timeout", str(timeout), "--certificate", str(proof))
        answer = re.search(r"^(verified|falsified|unknown)\b", text, re.MULTILINE)
        result |= {"verdict": answer[1] if answer else "error", "solve": seconds(text), "verify_wall": f"{wall:.2f}"}
        if result["verdict"] != "verified":
            return result
        lacking = re.search(r"no certificate for .*? questions: (.*)", text)
        if lacking or not proof.exists():
            return result | {"certificate": "none", "why": lacking[1] if lacking else text.strip()[-200:]}
        text, wall = command("check", str(proof), model, "--property", query)
    accepted = re.search(r"^accepted", text, re.MULTILINE) is not None
    how = {"certificate": "accepted" if accepted else "rejected", "check_wall": f"{wall:.2f}", "check": seconds(text)}
    return result | how | {"why": text.strip().splitlines()[-1][-200:]}


def summary(results: Iterable[Row]) -> str:
    """A table by family; shares are sums of seconds of the accepted."""
    families: dict[str, list[Row]] = defaultdict(list)
    for row in results:
        families[row["benchmark"]].append(row)
        families["all"].append(row)
    lines = ["| family | asked | verified | accepted | solving s | checking s | share | without, or rejected |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for family, rows in sorted(families.items(), key=lambda item: (item[0] == "all", item[0])):
        proved = [r for r in rows if r["verdict"] == "verified"]
        good = [r for r in proved if r["certificate"] == "accepted"]
        solve, check = (sum(float(r[name] or 0) for r in good) for name in ("verify_wall", "check_wall"))
        why = Counter(r["why"].split(": ")[-1][:70] for r in proved if r["certificate"] != "accepted")
        reasons = "; ".join(f"{count} {text}" for text, count in why.items()) if family != "all" else ""
        share = f"{check / solve:.0%}" if solve else ""
        lines.append(
            f"| {family} | {len(rows)} | {len(proved)} | {len(good)} | {solve:.1f} | {check:.1f} | {share} | {reasons} |"
        )
    return "\n".join(lines)


def chosen(rows: Iterable[Row], families: list[str] | None, each: int) -> list[Row]:
    """The first `each` of every family that may be verified, spread over its list; 0 for all."""
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("expected") != "sat" and (families is None or row["benchmark"] in families):
            wanted[row["benchmark"]].append(row)
    return [
        row for group in wanted.values() for row in group[:: max(1, len(group) // each) if each else 1][: each or None]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--instances", type=Path, help="another list with these columns, about files in FOLDER")
    parser.add_argument("--families", nargs="*")
    parser.add_argument("--each", type=int, default=3, help="instances of a family; 0 for all")
    parser.add_argument("--timeout", type=float, default=20.0)
    parser.add_argument(
        "--results", type=Path, help="a CSV file to which every result is appended; what is in it stays"
    )
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
        results.append(measure(args.folder, row, args.timeout))
        print(",".join(results[-1].values()), file=sys.stderr, flush=True)
        if args.results:
            new = not args.results.exists()
            with args.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if new:
                    writer.writeheader()
                writer.writerow(results[-1])
    print(summary(results))


if __name__ == "__main__":
    main()
