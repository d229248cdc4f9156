"""Damages VNN-LIB files and generated queries: every outcome must be a query or an InputError.

    python benchmarks/vnnlib_fuzz.py [DIR] [--seconds 60] [--seed 0]

Where the package `vnnlib` is installed and accepts a damaged 2.0 text as well, both must mean the same. DIR holds
files to damage besides generated ones. Exits 1 at the first wrong outcome and prints the text.
"""

import argparse
import contextlib
import gzip
import io
import random
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from math import prod
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "formats" / "vnnlib"))

import re

from vnnlib_agreement import holds, points
from vnnlib_random import RandomQuery, official_truth

from verifier.errors import InputError
from verifier.formats.vnnlib.query import Query
from verifier.formats.vnnlib.reader import parse, read
from verifier.formats.vnnlib.upgrade import upgrade

try:
    import vnnlib
except ImportError:
    vnnlib = None

WORDS = """( ) [ ] [0] [0,0] , ; " - + * <= >= < > == = != and or not => assert () Real real float32 int64
X_0 Y_0 X0 Y0 X0[0] Y0[1] H0 N0 N1 0 1 -1 0.5 -0 1e5 1e-400 .5 +1 1.2.3 nan inf 99999999999999999999 declare-const
declare-network declare-input declare-output declare-hidden equal-to isomorphic-to vnnlib-version <2.0> <1.0> é \u0661
\x00""".split()  # noqa: SIM905


def mutated(text: str, rng: random.Random) -> str:
    """One to four small changes of words or of characters."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        words = re.findall(r"\s+|[()\[\],;\"]|[^\s()\[\],;\"]+", text)
        if not words:
            return rng.choice(WORDS)
        i, j = sorted((rng.randrange(len(words)), rng.randrange(len(words))))
        match rng.randrange(7):
            case 0:
                words[i] = rng.choice(WORDS)
            case 1:
                words.insert(i, rng.choice(WORDS))
            case 2:
                del words[i]
            case 3:
                words[i], words[j] = words[j], words[i]
            case 4:
                words[i:i] = words[j : j + rng.randint(1, 12)]
            case 5:
                del words[i : i + rng.randint(1, 12)]
            case 6:
                k = rng.randrange(len(words[i]))
                words[i] = words[i][:k] + chr(rng.randrange(32, 127)) + words[i][k + rng.randrange(2) :]
        text = "".join(words)
    return text


def outcome(text: str, rng: random.Random) -> str:
    """What became of a text; anything but an answer or an InputError escapes."""
    try:
        query = parse(text)
    except InputError as error:
        return "refused" if len(str(error)) < 500 else "REFUSED AT LENGTH"
    same_when_written_again(query, rng)
    if vnnlib is None or query.version == "1.0":
        return "read"
    try:
        official = vnnlib.parse_query_string(text)
    except Exception:  # also of other kinds, where an integer is too long for it
        return "read, refused officially"
    for at in places(query, rng):
        plain = {(e.name, e.index): value for e, value in at.items()}
        expected = all(official_truth(assertion.expr, plain) for assertion in official.assertions)
        assert holds(query, at) == expected, "the official parser reads it otherwise"
    return "read as officially"


def same_when_written_again(query: Query, rng: random.Random) -> None:
    again = parse(upgrade(query))
    assert again.networks == query.networks, "written and read again, other networks"
    for at in places(query, rng):
        assert holds(query, at) == holds(again, at), "written and read again, it means something else"


def places(query: Query, rng: random.Random) -> list[dict]:
    """A few points; none where the query has very many entries."""
    if sum(prod(v.shape) for network in query.networks for v in network.variables) > 500:
        return []
    first, *changes = points(query, 8, rng)
    return [first, *(first | change for change in changes), {e: Fraction(rng.randint(-2, 2)) for e in first}]


def bytes_outcome(path: Path, data: bytes, rng: random.Random) -> str:
    """A damaged file, packed or not."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    path.write_bytes(damaged[: rng.choice((len(damaged), len(damaged), rng.randrange(len(damaged))))])
    try:
        read(path)
    except InputError:
        return "bytes refused"
    return "bytes read"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, counts, end = random.Random(arguments.seed), Counter(), time.monotonic() + arguments.seconds
    paths = sorted(arguments.directory.rglob("*.vnnlib.gz")) if arguments.directory else []
    packed = [path.read_bytes() for path in paths if path.stat().st_size < 2000]
    scratch = Path(tempfile.mkdtemp()) / "damaged.vnnlib"
    while time.monotonic() < end:
        real = packed and rng.random() < 0.4
        data = rng.choice(packed) if real else RandomQuery(rng).text.encode()
        if rng.random() < 0.1:
            counts[bytes_outcome(scratch, data, rng)] += 1
            continue
        text = mutated((gzip.decompress(data) if real else data).decode(), rng)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                counts[outcome(text, rng)] += 1
        except Exception:
            print(text)
            raise
    print(", ".join(f"{count} {what}" for what, count in counts.most_common()))


if __name__ == "__main__":
    main()
