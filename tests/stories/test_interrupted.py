"""Ctrl-C, `kill`, `kill -9` and a closed pipe: nothing that was finished is lost, and --resume completes the run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verifier.cli.main import main

MODEL = Path(__file__).parents[2] / "models" / "mnist_dense_certified.onnx"
WORDS = [str(MODEL), "--eps", "0.1", "--count", "40", "--method", "crown-ibp"]
SLOW = """
import sys, time
import verifier.survey as survey
ask = survey.verify_each
def slowly(*args, **options):
    for answer in ask(*args, **options):
        time.sleep(0.1)
        yield answer
survey.verify_each = slowly
from verifier.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def records(path):
    """What a result file says, by index, without what depends on the clock and on the file's own place."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({record["index"] for record in found}) == len(found)
    return {r["index"]: (r["label"], r["verdict"], r["reason"], r["method"], r["becomes"]) for r in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "r.jsonl"
    assert main([*WORDS, "--json", str(path)]) == 1
    assert len(records(path)) == 40
    return records(path)


def start(path, *words):
    """A slow run in its own process, with at least three results in its file."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *WORDS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stop_and_resume(number, whole, tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    process = start(path, "--json", str(path))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    before = path.read_bytes()
    finished = before.count(b"\n")
    assert 3 <= finished < 40
    if number != signal.SIGKILL:
        assert before.endswith(b"\n")
        assert "not finished" in out
        assert "stopped by signal" in err
        assert "Traceback" not in err
    assert main([*WORDS, "--json", str(path), "--resume"]) == 1
    assert path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert records(path) == whole
    assert "40" in capsys.readouterr().out.replace("/", " ").split()


def test_resume_of_a_finished_run_asks_nothing(whole, tmp_path, capsys, monkeypatch):
    path = tmp_path / "r.jsonl"
    assert main([*WORDS, "--json", str(path)]) == 1
    first = capsys.readouterr().out
    before = path.read_bytes()
    monkeypatch.setattr("verifier.survey.verify_each", None)
    assert main([*WORDS, "--json", str(path), "--resume"]) == 1
    assert path.read_bytes() == before
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("change", [["--eps", "0.2"], ["--norm", "2"], ["--method", "crown"], ["--seed", "1"]])
def test_other_settings_are_refused(change, tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    words = [*WORDS[:3], "--count", "2", "--json", str(path)]
    main(words)
    before = path.read_bytes()
    assert main([*words, *change, "--resume"]) == 2
    assert "made with other settings" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_another_model_is_refused(tmp_path, capsys):
    path = str(tmp_path / "r.jsonl")
    main([*WORDS[:3], "--count", "2", "--json", path])
    assert main([str(MODEL.with_name("mnist_dense.onnx")), *WORDS[1:], "--json", path, "--resume"]) == 2
    assert "model" in capsys.readouterr().err


def test_reader_that_leaves(tmp_path):
    """`verify ... --json - | head -3` ends quietly, and soon."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *WORDS, "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for _ in range(3):
        json.loads(process.stdout.readline())
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=30) == 141
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_a_terminal_gets_one_live_line(tmp_path):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SLOW, *WORDS], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert seen.count(b"\r\x1b") + seen.count(b"\r") > 5
    assert b"verified" in seen
    assert b"natural accuracy" in out
    assert b"\r" not in out
