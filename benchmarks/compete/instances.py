"""Lists of instances: our own `instances.csv` with a header, or a checkout of a VNN-COMP's benchmarks."""

import ast
import csv
import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER = ["benchmark", "onnx", "vnnlib", "timeout_s", "expected"]
VERSIONS = ("1.0", "2.0")  # folders that a checkout of 2026 has below each benchmark
Key = tuple[str, str]


@dataclass(frozen=True)
class Instance:
    """One question. `onnx` and `vnnlib` are as listed, relative to `root`; `expected` is sat, unsat or empty."""

    benchmark: str
    onnx: str
    vnnlib: str
    timeout_s: float
    expected: str
    root: Path

    @property
    def key(self) -> Key:
        """What identifies the question in records of whatever tool."""
        return self.onnx, self.vnnlib

    @property
    def category(self) -> str:
        """The name that competition scripts are told."""
        return self.benchmark.split("/")[0]

    @property
    def query(self) -> Path:
        return stored(self.root / self.vnnlib)

    @property
    def models(self) -> dict[str, Path]:
        """Files by network name; a single file has no name in the list and is called by the empty string here.

        Several networks are listed as a literal: `[('f', 'onnx/a.onnx'), ('g', 'onnx/b.onnx')]`.
        """
        if not self.onnx.lstrip().startswith("["):
            return {"": stored(self.root / self.onnx)}
        return {str(name): stored(self.root / str(file)) for name, file in ast.literal_eval(self.onnx)}

    @property
    def missing(self) -> list[Path]:
        """Files that are not there, or of which only a Git LFS pointer is."""
        return [path for path in (*self.models.values(), self.query) if not path.is_file() or _is_pointer(path)]


def stored(path: Path) -> Path:
    """The file itself, or its packed form if only that is there."""
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.is_file() else path


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size > 1024:
        return False
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(40).startswith(b"version https://git-lfs")
    except (OSError, EOFError):
        return False  # not packed as its name says: the solver's business


def read(path: Path) -> list[Instance]:
    """All instances of a list, or of every `instances.csv` in a folder, in the order in which they are listed."""
    if path.is_dir():
        files = [path / "instances.csv"] if (path / "instances.csv").is_file() else sorted(path.rglob("instances.csv"))
        found = [instance for file in files for instance in _listed(file)]
    elif path.is_file():
        found = list(_listed(path))
    else:
        raise SystemExit(f"{path}: there is no such file or folder. Give an instances.csv or a folder that has some.")
    if not found:
        raise SystemExit(f"{path}: no instances. Looked for instances.csv with lines onnx,vnnlib,timeout.")
    return found


def _listed(file: Path) -> Iterator[Instance]:
    folder = file.resolve().parent
    benchmark = f"{folder.parent.name}/{folder.name}" if folder.name in VERSIONS else folder.name
    with file.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or row == HEADER:
                continue
            cells = row if len(row) == len(HEADER) else [benchmark, *row, ""]
            try:
                name, onnx, vnnlib, timeout, expected = cells
                yield Instance(name, onnx, vnnlib, float(timeout), expected, folder)
            except ValueError:
                raise SystemExit(
                    f"{file}, line {number}: expected onnx,vnnlib,timeout or {','.join(HEADER)}, got {','.join(row)}"
                ) from None


def select(
    instances: Iterable[Instance],
    *,
    families: Sequence[str] = (),
    only: frozenset[Key] | None = None,
    count: int | None = None,
    seed: int = 0,
) -> list[Instance]:
    """Those of the families and keys asked for; of these, `count` drawn with a fixed seed. The order stays."""
    chosen = [i for i in instances if not families or {i.benchmark, i.category} & set(families)]
    if only is not None:
        chosen = [i for i in chosen if i.key in only]
    if count is not None and count < len(chosen):
        drawn = sorted(random.Random(seed).sample(range(len(chosen)), count))
        chosen = [chosen[i] for i in drawn]
    return chosen


def keys(file: Path, sample: str | None = None) -> frozenset[Key]:
    """The instances named in a CSV that has columns onnx and vnnlib; with `sample`, those of that sample."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"onnx", "vnnlib"} <= rows[0].keys():
        raise SystemExit(f"{file}: expected a header with the columns onnx and vnnlib")
    return frozenset((row["onnx"], row["vnnlib"]) for row in rows if sample in (None, row.get("sample")))
