"""A fake solver, and records that nobody measured."""

import sys
from pathlib import Path

from compete.records import Record
from compete.solvers import Standard

FAKE = Standard(f"{sys.executable} {Path(__file__).parent / 'fake_solver.py'}")


def record(tool: str, vnnlib: str, verdict: str, wall: float = 1.0, limit: float = 60.0, **other: object) -> Record:
    return Record(tool, "digits", "net.onnx", vnnlib, verdict, wall, limit, **other)  # type: ignore[arg-type]
