"""The competition's script for one instance always leaves a result file and ends with 0."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "vnncomp" / "instance.py"


CUT_OFF = gzip.compress(b"(declare-const X_0 Real)" * 99, mtime=0)[:40]  # of no time: workers collect the same tests


@pytest.mark.parametrize("content", [None, CUT_OFF, b"\x1f\x8b"])
def test_a_property_that_can_not_be_read(tmp_path, content):
    query, results = tmp_path / "p.vnnlib", tmp_path / "results.txt"
    if content is not None:
        query.write_bytes(content)
    command = [sys.executable, str(SCRIPT), "absent.onnx", str(query), str(results), "5"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert results.read_text() == "error\n"
    assert "Traceback" not in ended.stderr
