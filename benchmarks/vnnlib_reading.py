"""Reads every VNN-LIB file below a directory: the time it takes, and whether a second, plain reader agrees.

    python benchmarks/vnnlib_reading.py DIR [--points 10000] [--longest 10000000]

Agreement is asked at points near bounds and constants, fewer where a file is large; files of more than `--longest`
characters are only timed. Exits 1 if the readings differ anywhere.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "formats" / "vnnlib"))

from vnnlib_agreement import disagreements

from verifier.formats.vnnlib.reader import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--longest", type=int, default=10**7)
    arguments = parser.parse_args()
    files = sorted(arguments.directory.rglob("*.vnnlib*"))
    seconds, asked, one_sided, wrong = 0.0, 0, 0, 0
    for file in files:
        start = time.perf_counter()
        query = read(file)
        spent = time.perf_counter() - start
        seconds += spent
        text = (gzip.decompress if file.suffix == ".gz" else bytes)(file.read_bytes()).decode()
        if spent > 0.5:
            print(f"{file.name}: {spent:.2f} s, {len(text)} characters")
        if len(text) > arguments.longest:
            continue
        nested = sum(sum(1 for _ in formula.comparisons()) for formula in query.assertions)
        count = min(arguments.points, max(30, 2_000_000 // max(nested, 1)))
        differences, seen = disagreements(text, query, count)
        asked, one_sided, wrong = asked + count, one_sided + (len(seen) < 2), wrong + bool(differences)
        if differences:
            print(f"{file.name}: the readings differ at {differences[0]}")
    print(f"{len(files)} files read in {seconds:.1f} s; {asked} points, {wrong} files differ; ", end="")
    print(f"{one_sided} files with one truth value only")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
