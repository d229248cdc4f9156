"""Reads every VNN-LIB file below a directory: the time it takes, and whether a second, plain reader agrees.

    python benchmarks/vnnlib_reading.py DIR [--points 10000]

Agreement is asked at points near bounds and constants, of the file itself and of it written as VNN-LIB 2.0 and read
again; at fewer points where formulas are very large. Exits 1 if readings differ anywhere.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "formats" / "vnnlib"))

from vnnlib_agreement import disagreements

from verifier.formats.vnnlib.reader import parse, read
from verifier.formats.vnnlib.upgrade import upgrade

MOST = 30_000_000  # truth values of comparisons within formulas of a file: large files are asked at fewer points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--points", type=int, default=10_000)
    arguments = parser.parse_args()
    files = sorted(arguments.directory.rglob("*.vnnlib*"))
    seconds, asked, one_sided, wrong, fewer = 0.0, 0, 0, 0, 0
    for file in files:
        start = time.perf_counter()
        query = read(file)
        spent = time.perf_counter() - start
        seconds += spent
        text = (gzip.decompress if file.suffix == ".gz" else bytes)(file.read_bytes()).decode()
        if spent > 0.5:
            print(f"{file.name}: {spent:.2f} s, {len(text)} characters")
        nested = sum(sum(1 for _ in formula.comparisons()) for formula in query.assertions)
        count = min(arguments.points, max(100, MOST // max(nested, 1)))
        fewer += count < arguments.points
        differences, seen = disagreements(text, query, count)
        newer = parse(upgrade(query))
        differences += disagreements(text, newer, max(count // 10, 100), seed=1)[0]
        asked, one_sided, wrong = asked + count, one_sided + (len(seen) < 2), wrong + bool(differences)
        if differences:
            print(f"{file.name}: the readings differ at {dict(list(differences[0].items())[:8])}", flush=True)
    print(f"{len(files)} files read in {seconds:.1f} s; {asked} points, {wrong} files differ; ", end="")
    print(f"{fewer} files at fewer points, {one_sided} files with one truth value only")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
