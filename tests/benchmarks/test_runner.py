"""Limits hold, nothing is left running, and nothing is run twice."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from compete import records, runner, sandbox
from compete.instances import Instance
from compete.runner import Limits
from compete.solvers import Scripts, Template
from fakes import FAKE

ROOT = Path(__file__).resolve().parents[2]
Ask = Callable[..., Instance]
LeftOver = Callable[[], list[int]]


def attempt(instance: Instance, limits: Limits) -> records.Record:
    return runner.attempt("fake", FAKE, instance, limits, threading.Event())


def heard() -> None:
    """Shells start what runs in the background, as these tests may, with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def left_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LeftOver:
    """Processes that this test started, by a mark of its own."""
    monkeypatch.setenv("STARTED_BY", str(tmp_path))
    return lambda: [p for p in sandbox.processes() if sandbox.Tree(0, f"STARTED_BY={tmp_path}")._marked(p)]


def test_an_answer_is_read_with_its_measurements(ask: Ask, limits: Limits) -> None:
    found = attempt(ask("slow", "unsat"), limits)  # what ends at once may end before it is looked at
    assert (found.verdict, found.expected, found.overrun, found.note) == ("unsat", "unsat", False, "")
    assert 0 < found.wall_s < 5
    assert 0 < found.cpu_s <= 2 * found.wall_s
    assert 1 < found.peak_mb < 100


@pytest.mark.parametrize(
    ("behaviour", "verdict", "note"),
    [
        ("unknown", "unknown", ""),
        ("timed-out", "timeout", ""),
        ("crash", "error", "exit code 1. out of ideas"),
        ("mute", "error", "no verdict in its output, which ends with: thinking ..."),
        ("unsat-ish", "error", "no verdict in its output, which ends with: unsat-ish"),
    ],
)
def test_other_ends(ask: Ask, limits: Limits, behaviour: str, verdict: str, note: str) -> None:
    found = attempt(ask(behaviour), limits)
    assert (found.verdict, found.note) == (verdict, note)


def test_who_hangs_is_killed_with_all_that_it_started(ask: Ask, limits: Limits, left_over: LeftOver) -> None:
    found = attempt(ask("hang"), Limits(1.0, 2**30))
    assert (found.verdict, found.overrun) == ("timeout", False)
    assert 1.3 <= found.wall_s < 2.1
    assert not left_over()


@pytest.mark.parametrize("hidden", [0, 2])
def test_daemons_of_one_that_answered_end_too(
    ask: Ask, limits: Limits, left_over: LeftOver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: int
) -> None:
    """Even if a look or two miss them: a process that becomes another program has no environment for a moment."""
    look, seeing = sandbox.Tree.look, iter([False] * hidden)
    monkeypatch.setattr(sandbox.Tree, "look", lambda tree, marked=False: look(tree, marked and next(seeing, True)))
    daemon = tmp_path / "daemon.sh"
    daemon.write_text("(setsid sleep 76 > /dev/null 2>&1 &)\necho unsat\n")
    found = runner.attempt("daemon", Template(f"sh {daemon}"), ask("-"), limits, threading.Event())
    assert found.verdict == "unsat"
    assert not left_over()


def test_memory_of_children_counts(ask: Ask, limits: Limits, left_over: LeftOver) -> None:
    found = attempt(ask("hog"), Limits(20.0, 400 * 2**20))
    assert found.verdict == "error"
    assert found.note.startswith("killed at 0.")
    assert 400 < found.peak_mb < 900
    assert found.wall_s < 10
    assert not left_over()


def test_a_late_answer_is_marked(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GRACE_S", 5.0)
    found = attempt(ask("slow"), Limits(0.1, 2**30))
    assert (found.verdict, found.overrun) == ("unsat", True)


def test_a_tool_that_is_not_there(ask: Ask, limits: Limits) -> None:
    found = runner.attempt("none", Template("no-such-tool {onnx}"), ask("unsat"), limits, threading.Event())
    assert found.verdict == "error"
    assert "no-such-tool" in found.note


def test_competition_scripts(ask: Ask, limits: Limits, tmp_path: Path) -> None:
    (tmp_path / "prepare_instance.sh").write_text('test "$2" = digits && test -f "$4"\n')
    (tmp_path / "run_instance.sh").write_text('test "$1 $2 $6" = "v1 digits 5" && echo holds > "$5"\n')
    instance = ask("-")
    assert runner.attempt("scripts", Scripts(str(tmp_path)), instance, limits, threading.Event()).verdict == "unsat"
    (tmp_path / "prepare_instance.sh").write_text("echo no licence >&2; exit 4\n")
    found = runner.attempt("scripts", Scripts(str(tmp_path)), instance, limits, threading.Event())
    assert (found.verdict, found.note) == ("error", "prepare_instance.sh ended with 4. no licence")


def test_nothing_runs_twice(ask: Ask, limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, file = tmp_path / "count", tmp_path / "results.csv"
    monkeypatch.setenv("FAKE_COUNT", str(count))
    first, second = ask("count", name="a"), ask("count", name="b")

    def again(*instances: Instance, limit: float = 5.0, verdicts: tuple[str, ...] = ()) -> list[records.Record]:
        return runner.run(instances, {"fake": FAKE}, Limits(limit, 2**30), file, again=verdicts, tell=lambda line: None)

    again(first)
    with file.open("a") as lines:
        lines.write("fake,digits,net.onnx,b.vnnlib,uns")  # as a power cut leaves it
    both = again(first, second)
    assert [r.vnnlib for r in both] == ["a.vnnlib", "b.vnnlib"]
    assert count.read_text() == "xx"
    assert again(first, second) == both == records.read(file)
    assert count.read_text() == "xx"
    again(first, limit=6.0)  # another limit is another question
    again(second, verdicts=("unsat",))
    assert count.read_text() == "xxxx"


def test_an_interrupted_run_keeps_its_results_and_leaves_nothing(ask: Ask, left_over: LeftOver, tmp_path: Path) -> None:
    ask("unsat", name="a"), ask("hang", name="b")
    (tmp_path / "instances.csv").write_text("net.onnx,a.vnnlib,60\nnet.onnx,b.vnnlib,60\n")
    results = tmp_path / "results.csv"
    command = [sys.executable, str(ROOT / "benchmarks" / "compete"), "run", str(tmp_path), "--results", str(results)]
    command += ["--solver", f"fake=standard:{FAKE.executable}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heard)
    deadline = time.monotonic() + 30
    while not (results.is_file() and len(records.read(results)) == 1 and len(left_over()) >= 4):
        assert time.monotonic() < deadline, "the second instance never started"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped; what was done is in" in err
    assert [r.vnnlib for r in records.read(results)] == ["a.vnnlib"]
    assert not left_over()
