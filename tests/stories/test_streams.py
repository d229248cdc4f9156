"""A full disk, closed and unread standard streams: said in a line, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "models" / "mnist_dense_certified.onnx"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


def verify(redirection, *words):
    """The command, its streams redirected by a shell: `(exit code, stderr)`."""
    command = [sys.executable, "-m", "verifier.cli.main", str(MODEL), *map(str, words)]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {redirection}', *command], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr


pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


@needs_full
@pytest.mark.parametrize(
    "words",
    [
        ("--eps", "0.01", "--count", "1"),
        ("--explain",),
        ("--version",),
        ("--eps", "0.01", "--count", "1", "--json", "-"),
    ],
)
def test_stdout_on_a_full_disk(words):
    code, err = verify(">/dev/full", *words)
    assert code == 2
    assert "can't be written" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@needs_full
@pytest.mark.parametrize(("eps", "code"), [("0.01", 0), ("0.9", 1)])
def test_a_full_disk_under_stderr_changes_no_answer(eps, code, tmp_path):
    out = tmp_path / "out"
    assert verify(f">{out} 2>/dev/full", "--eps", eps, "--count", "1")[0] == code
    assert "natural accuracy" in out.read_text()
    assert verify("2>/dev/full", "--eps", "0.1", "--method", "magic")[0] == 2


@needs_full
@pytest.mark.parametrize("kind", ["--json", "--csv"])
def test_results_on_a_full_disk(kind):
    code, err = verify("", "--eps", "0.01", "--count", "1", kind, FULL)
    assert code == 2
    assert "can't be written: No space left" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(redirection, tmp_path):
    file = tmp_path / "r.jsonl"
    code, err = verify(redirection, "--eps", "0.01", "--count", "1", "--json", file)
    assert code == 0
    assert "Traceback" not in err
    assert [json.loads(line)["verdict"] for line in file.read_text().splitlines()] == ["verified"]
