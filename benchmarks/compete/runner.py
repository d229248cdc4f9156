"""Every solver on every instance that has no result yet."""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from compete import sandbox, witness
from compete.instances import Instance
from compete.question import Question, question
from compete.records import Log, Record, done, read
from compete.solvers import Answer, Solver

GRACE_S = 5.0  # a solver is killed this long after its limit
PREPARE_S = 600.0  # the competition's limit


@dataclass(frozen=True)
class Limits:
    """`seconds` 0: each instance's own limit. `memory` in bytes, of all processes of a solver together."""

    seconds: float
    memory: int

    def of(self, instance: Instance) -> float:
        return self.seconds or instance.timeout_s


def overran(wall: float, limit: float) -> bool:
    """Start-up and clocks are forgiven a second and a tenth."""
    return wall > 1.1 * limit + 1


def attempt(name: str, solver: Solver, instance: Instance, limits: Limits, stop: threading.Event) -> Record:
    """Ask one solver one question."""
    limit = limits.of(instance)
    blank = Record(name, instance.benchmark, *instance.key, "error", 0.0, limit, instance.expected)
    with tempfile.TemporaryDirectory(prefix="compete-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        out, err = scratch / "stdout.txt", scratch / "stderr.txt"

        def limited(command: list[str], seconds: float) -> sandbox.Ended:
            return sandbox.run(
                command, seconds=seconds, memory=limits.memory, folder=scratch, out=out, err=err, stop=stop
            )

        try:
            asked = question(instance, limit, scratch, unpacked=solver.unpacked)
            preparation = solver.prepare(asked)
            if preparation and (ended := limited(preparation, PREPARE_S)).code:
                return replace(blank, note=f"prepare_instance.sh ended with {ended.code}. {last_line(err)}")
            ended = limited(solver.command(asked), limit + GRACE_S)
        except (OSError, EOFError, ValueError, SyntaxError) as error:  # no such program; a file that can't be unpacked
            return replace(blank, note=f"could not be started: {error}")
        measured = replace(
            blank,
            wall_s=round(ended.wall, 3),
            overrun=overran(ended.wall, limit),
            cpu_s=round(ended.cpu, 2),
            peak_mb=round(ended.peak / 2**20, 1),
        )
        if fault := failure(ended, limits, err):
            return replace(measured, verdict="timeout" if ended.killed == "time" else "error", note=fault)
        return judged(measured, solver.read(asked, out.read_text(errors="replace")), instance, asked, solver, out)


def failure(ended: sandbox.Ended, limits: Limits, err: Path) -> str:
    """Why an ended process gave no answer, whatever it printed; empty if it ended well."""
    match ended.killed:
        case "time":
            return f"killed {GRACE_S:g} s after its limit"
        case "memory":
            return f"killed at {ended.peak / 2**30:.1f} GiB, the limit is {limits.memory / 2**30:g} GiB"
        case "":
            return f"exit code {ended.code}. {last_line(err)}" if ended.code else ""
    raise TypeError(f"no process ends by {ended.killed}")


def judged(record: Record, answer: Answer, instance: Instance, asked: Question, solver: Solver, out: Path) -> Record:
    """The record with its verdict; a `sat` has to show its witness."""
    if not answer.verdict:
        return replace(record, note=f"no verdict in its output, which ends with: {last_line(out)}")
    if answer.verdict != "sat":
        return replace(record, verdict=answer.verdict)
    if not answer.witness.strip() and not solver.shows:
        return replace(record, verdict="sat", witness="unchecked", note="prints no assignment")
    state, why = witness.check(answer.witness, instance.query, instance.models)
    verdict = "error" if state == "invalid" else "sat"
    return replace(record, verdict=verdict, witness=state, note=f"sat, but {why}" if state == "invalid" else why)


def last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").split("\n") if file.is_file() else []
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def run(
    instances: Iterable[Instance],
    solvers: Mapping[str, Solver],
    limits: Limits,
    file: Path,
    *,
    jobs: int = 1,
    again: Collection[str] = (),
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> list[Record]:
    """Run what `file` has no result for (or one of the verdicts `again`), append each result to it, and return the
    latest result of each instance and solver. Ctrl-C ends what runs and keeps what is there."""
    log = Log(file)
    wanted = {(name, *i.key, limits.of(i)): (name, i) for i in instances for name in solvers}
    there = {done(r): r for r in read(file)}
    open_ = [pair for which, pair in wanted.items() if which not in there or there[which].verdict in again]
    tell(f"{len(wanted)} runs, {len(wanted) - len(open_)} of them done before")
    stop, started = threading.Event(), time.perf_counter()

    def logged(name: str, instance: Instance) -> Record:
        record = attempt(name, solvers[name], instance, limits, stop)
        log.append(record)
        return record

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(logged, name, i) for name, i in open_}
        try:
            for number in range(1, len(futures) + 1):
                ready, futures = wait(futures, return_when=FIRST_COMPLETED)
                first, *others = ready
                futures |= set(others)
                record = first.result()
                there[done(record)] = record
                tell(f"[{number}/{len(open_)}, {time.perf_counter() - started:.0f} s] {line(record)}")
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [there[which] for which in wanted]


def line(record: Record) -> str:
    shown = f"{record.tool}  {record.benchmark}  {Path(record.onnx).name}  {Path(record.vnnlib).name}"
    marks = [record.witness, "overran" if record.overrun else "", record.note]
    return f"{shown}  {record.verdict}  {record.wall_s:.1f} s  {'  '.join(mark for mark in marks if mark)}".rstrip()
