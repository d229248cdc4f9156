"""Are the counterexamples that we print accepted? Queries known to be `sat`, a few seconds each, through the standard's
command line; every printed text is parsed again and replayed under the rules of the 2026 competition.

    python benchmarks/witnesses.py ../shared/vnncomp/instances.csv [--seconds 10] [--each 2] [--benchmark NAME]
"""

import argparse
import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

from compete.witness import check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instances", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="for one query (default: 10)")
    parser.add_argument("--each", type=int, default=2, help="queries of each benchmark (default: 2)")
    parser.add_argument("--benchmark", default="", help="only this one")
    args = parser.parse_args()
    taken: Counter[str] = Counter()
    outcome: Counter[str] = Counter()
    for row in csv.DictReader(args.instances.open()):
        name = row["benchmark"]
        if row["expected"] != "sat" or args.benchmark not in ("", name) or taken[name] >= args.each:
            continue
        taken[name] += 1
        state, why = asked(args.instances.parent / row["onnx"], args.instances.parent / row["vnnlib"], args.seconds)
        outcome[state] += 1
        print(f"{name:<22} {Path(row['vnnlib']).name:<60} {state:<10} {why}", flush=True)
    print(", ".join(f"{state} {count}" for state, count in outcome.most_common()))
    return int(outcome["invalid"] + outcome["unsat"] > 0)


def asked(model: Path, query: Path, seconds: float) -> tuple[str, str]:
    """What became of one query: the witness's state, or the verdict where there is none."""
    command = [sys.executable, "-m", "verifier.cli.vnnlib", "verify", str(query), f"--network=N={model}"]
    ended = subprocess.run([*command, "--timeout", f"{seconds:g}"], capture_output=True, text=True)
    word, _, witness = ended.stdout.partition("\n")
    if word != "sat":
        return word or "error", ended.stderr.strip().rpartition("\n")[2]
    return check(witness, query, {"N": model})


if __name__ == "__main__":
    sys.exit(main())
