"""Networks of the verification competition, where they are at hand: load, and equal other engines."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_small import ours, relative

from verifier.errors import InvalidModel
from verifier.formats.onnx import load_onnx
from verifier.formats.selfcheck import check_against

ROOT = Path(__file__).resolve().parents[4] / "shared" / "vnncomp"
POINTER = "mscn_2048d_dual"  # left as a git-lfs pointer in the public copy
FILES = sorted(path for path in ROOT.glob("*/onnx/*.onnx*") if POINTER not in path.name)
SMALL = 200_000  # bytes; larger files are not asked of the slow reference
WIDE_FAMILIES = ("acasxu", "lsnc", "reach_prob_density", "rl_benchmarks", "safenlp", "nn4sys", "verivital", "ml4acopf")
pytestmark = pytest.mark.skipif(not FILES, reason="the competition's networks are not here")


def of_family(path: Path) -> str:
    return path.parts[-3]


def chosen() -> list[Path]:
    """Every network of small families, the first and last of large ones; `benchmarks/onnx_equality.py` has all."""
    groups: dict[str, list[Path]] = {}
    for path in FILES:
        groups.setdefault(of_family(path), []).append(path)
    return [p for g in groups.values() for p in (g if len(g) < 5 else (g[0], g[-1]))]


def box(path: Path, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Input bounds of the family's first VNN-LIB file, read crudely; the unit box where they can't be."""
    low, high = np.zeros(entries), np.ones(entries)
    for file in sorted((path.parent.parent / "vnnlib").glob("*"))[:1]:
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
        found = re.findall(r"\((<=|>=) X_(\d+) (-?[\d.eE+-]+)\)", text)
        if {int(i) for _, i, _ in found} == set(range(entries)):
            for side, i, value in found:
                (high if side == "<=" else low)[int(i)] = float(value)
    return np.minimum(low, high), np.maximum(low, high)


def sample(path: Path, shape: tuple[int, ...], count: int) -> np.ndarray:
    low, high = box(path, int(np.prod(shape)))
    rows = np.random.default_rng(0).uniform(low, high, (count, len(low)))
    return rows.reshape(count, *shape).astype(np.float32)


@pytest.mark.parametrize("path", chosen(), ids=lambda p: f"{of_family(p)}-{p.name}")
def test_equals_onnx_runtime(path: Path) -> None:
    model = load_onnx(path)
    x = sample(path, model.graph.input.shape, 3)
    theirs = model.evaluator(x)
    assert min(relative(ours(model, x, d), theirs) for d in (torch.float32, torch.float64)) < 1e-4
    check_against(model, x)


@pytest.mark.parametrize("family", WIDE_FAMILIES)
def test_equals_the_reference_in_float64(family: str) -> None:
    path = next(p for p in FILES if of_family(p) == family and p.stat().st_size < SMALL * 3)
    model = load_onnx(path)
    x = sample(path, model.graph.input.shape, 2)
    assert relative(ours(model, x), model.evaluator.double(x)) < 1e-9  # type: ignore[attr-defined]


def test_pointer_file_says_so() -> None:
    with pytest.raises(InvalidModel, match="git lfs pull"):
        load_onnx(next(ROOT.glob(f"nn4sys/onnx/{POINTER}*")))
