"""One VNN-COMP instance through the standard's command line, its answer as the competition's result file.

    python instance.py ONNX VNNLIB RESULTS TIMEOUT

ONNX is a file or, for several networks, a Python list: `[('f', 'a.onnx'), ('g', 'b.onnx')]`. Line 1 of RESULTS is the
verdict; behind `sat` follows the counterexample, in the form of the query's own dialect.
"""

import ast
import gzip
import re
import subprocess
import sys
import zlib
from pathlib import Path

HEADER = re.compile(r"(\w+) \S+ \[[\d,]*\]")


def main(onnx: str, vnnlib: str, results: str, timeout: str) -> int:
    try:
        text = head(Path(vnnlib))
    except (OSError, EOFError, zlib.error) as error:
        print(f"can't read {vnnlib}: {error}", file=sys.stderr)
        return wrote(results, ["error"])
    networks = [f"--network={name}={path}" for name, path in pairs(onnx, text)]
    command = [sys.executable, "-m", "verifier.cli.vnnlib", "verify", vnnlib, *networks, "--timeout", timeout]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        lines = ["error"]
    elif "vnnlib-version <2" not in text:
        lines = first_dialect(lines)
    return wrote(results, lines)


def wrote(results: str, lines: list[str]) -> int:
    """The competition reads no result where the exit code is not 0."""
    Path(results).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def head(path: Path) -> str:
    """The file's beginning, where versions and networks are declared."""
    data = path.read_bytes()
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    return "\n".join(line.partition(";")[0] for line in data[: 2**16].decode(errors="replace").splitlines())


def pairs(onnx: str, text: str) -> list[tuple[str, str]]:
    """Networks and their files; a single file is that of the only network that takes one."""
    if onnx.lstrip().startswith("["):
        return [(str(name), str(path)) for name, path in ast.literal_eval(onnx)]
    own = re.findall(r"\(\s*declare-network\s+(\w+)(?!\s*\(\s*equal-to)\b", text)
    return [(own[0] if own else "N", onnx)]


def first_dialect(lines: list[str]) -> list[str]:
    """`((X_0 0.5)`, a pair a line, `(Y_0 1.0))`; and the older word for a timeout."""
    values, name, count = [], "", 0
    for line in lines[1:]:
        if found := HEADER.fullmatch(line):
            name, count = found[1], 0
        else:
            values.append(f"({name}_{count} {line})")
            count += 1
    word = lines[0].replace("timed-out", "timeout")
    return [word, f"({values[0]}", *values[1:-1], f"{values[-1]})"] if values else [word]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
