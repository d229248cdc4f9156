"""One process with a wall-time and a memory limit, and nothing of it left afterwards.

Linux: `/proc` tells who belongs to whom and how much memory each holds.
"""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POLL_S = 0.2
QUIET = 5  # looks, 10 ms apart, that must find nobody: who forks or becomes another program hides for a moment
MARK = "BENCHMARK_RUN"  # set for everything below a run, so that daemons are found too
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


class Stopped(Exception):
    """The person who started the benchmark stopped it while this process ran."""


@dataclass(frozen=True)
class Ended:
    """How a process ended. `code` as in subprocess (negative: a signal); `peak` in bytes, of all it started together;
    pages that its processes share count once for each."""

    code: int
    wall: float
    cpu: float
    peak: int
    killed: Literal["", "time", "memory"]


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    session: int
    start: int
    cpu: float
    resident: int
    gone: bool


def processes() -> dict[int, Process]:
    """Everything that runs on this machine."""
    found = (_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def _process(pid: int) -> Process | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None  # it ended meanwhile
    numbers = [int(field) for field in fields[1:22]]
    parent, session, times, start, pages = numbers[0], numbers[2], numbers[10:14], numbers[18], numbers[20]
    return Process(pid, parent, session, start, sum(times) / TICK, pages * PAGE, fields[0] in "ZX")


class Tree:
    """What a leader started: its session, its descendants, and whoever was one of them before its parent ended."""

    def __init__(self, leader: int, mark: str) -> None:
        self.leader, self.mark = leader, mark.encode()
        self.known: dict[int, int] = {}  # pid: start, as numbers are used again

    def look(self, marked: bool = False) -> list[Process]:
        """Members; with `marked` also those that only their environment gives away (slower)."""
        everything = processes()
        members = {
            p.pid
            for p in everything.values()
            if self.leader in (p.pid, p.session) or self.known.get(p.pid) == p.start or (marked and self._marked(p.pid))
        }
        while new := {p.pid for p in everything.values() if p.parent in members} - members:
            members |= new
        self.known = {pid: everything[pid].start for pid in members}
        return [everything[pid] for pid in sorted(members)]

    def _marked(self, pid: int) -> bool:
        try:
            return self.mark in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False  # ended, or another user's

    def kill(self) -> None:
        """End every member; before the leader is waited for, as its number is then still its own."""
        quiet = 0
        for _ in range(200):
            alive = [p for p in self.look(marked=True) if not p.gone]
            quiet = 0 if alive else quiet + 1
            if quiet == QUIET:
                return
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.01)
        raise RuntimeError(f"processes {[p.pid for p in alive]} survived SIGKILL and disturb what runs next")


def run(
    command: Sequence[str],
    *,
    seconds: float,
    memory: int,
    folder: Path,
    out: Path,
    err: Path,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Ended:
    """Run `command` in `folder`, its output into files, killed after `seconds` or when it holds more than `memory`
    bytes. Raises OSError if it can't be started and `Stopped` once `stop` is set."""
    mark = f"{MARK}={uuid.uuid4().hex}"
    variables = {**os.environ, **(environment or {}), MARK: mark.partition("=")[2]}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        start = time.perf_counter()
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    tree, killed, peak, cpu = Tree(child.pid, mark), "", 0, 0.0
    handle = os.pidfd_open(child.pid)
    try:
        while not killed:
            members = tree.look()
            cpu = max(cpu, sum(p.cpu for p in members))
            peak = max(peak, sum(p.resident for p in members))
            left = start + seconds - time.perf_counter()
            if peak > memory:
                killed = "memory"
            elif left <= 0:
                killed = "time"
            elif stop is not None and stop.is_set():
                raise Stopped
            elif select.select([handle], [], [], min(POLL_S, left))[0]:
                break
        wall = time.perf_counter() - start
    finally:
        os.close(handle)
        tree.kill()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Ended(child.returncode, wall, max(cpu, usage.ru_utime + usage.ru_stime), peak, killed)  # type: ignore[arg-type]
