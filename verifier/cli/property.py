"""`verify model.onnx --property p.vnnlib`: a query as a property, that what it asserts is impossible."""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from verifier.cli.alarm import Alarm
from verifier.cli.certify import certify, recorder
from verifier.cli.files import is_file, mapping, the_only
from verifier.cli.process import prepare
from verifier.cli.streams import say, tell
from verifier.errors import InputError
from verifier.results import check_writable

if TYPE_CHECKING:
    from verifier.formats.vnnlib.query import Query
    from verifier.queries.answer import Answer

CODES = {"unsat": 0, "sat": 1, "unknown": 3, "timed-out": 3}
VERDICTS = {"unsat": "verified", "sat": "falsified", "unknown": "unknown", "timed-out": "unknown"}
GRACE = 0.05  # of the limit, and in seconds, for a step that ends soon: its answer is worth more than punctuality
LEAST = 0.01  # seconds for an answer where reading the property took all of them
SHOWN = 40  # lines of an assignment that are printed; --json has all of it


def decide(args: argparse.Namespace) -> int:
    """Answer, print the verdict with the best bound and why; returns the exit code. The limit holds whatever works."""
    start, limit, steps = monotonic(), (1 + GRACE) * args.timeout + GRACE, Steps()
    with Alarm(limit, lambda: _late(args, monotonic() - start, steps.last), CODES["timed-out"], 2) as alarm:
        return _decide(args, start, alarm, steps)


class Steps:
    """Tells of steps as they begin, and remembers the last."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, step: str) -> None:
        self.last = step
        tell(step)


def _decide(args: argparse.Namespace, start: float, alarm: Alarm, steps: Steps) -> int:
    is_file(args.property)
    networks = mapping(args.network or [("", args.model)])
    if args.json is not None:
        check_writable(args.json)
    prepare()
    import torch

    from verifier.batch import Settings
    from verifier.formats.vnnlib.reader import read
    from verifier.plan import plan
    from verifier.queries.answer import answer

    query = read(args.property)
    if not args.network:
        networks = the_only(query, args.model)
    settings = Settings(
        plan(args.method),
        max(args.timeout - (monotonic() - start), LEAST),
        args.device,
        getattr(torch, args.dtype),
        args.seed,
        args.memory,
        record=recorder(args.certificate),
    )
    found = answer(query, networks, settings, steps)
    alarm.answer(lambda: _report(args, summary(query, found), _of(found)))
    if settings.record is not None and found.word == "unsat":
        if len(networks) > 1:
            settings.record.skip(1, "a certificate is about one network")
        certify(settings.record, args.certificate, next(iter(networks.values())))
    return CODES[found.word]


def summary(query: "Query", found: "Answer") -> str:
    """The verdict and why, then the assignment where there is one."""
    from verifier.queries.assignment import lines

    parts = [f"{VERDICTS[found.word]} ({found.word}) after {found.seconds:.2f} s: {found.reason}"]
    if found.word != "sat":
        proved = found.word == "unsat"
        parts.append(f"proved bound {found.bound:.6g}" if proved else f"best bound {found.bound:.6g} (needs > 0)")
        return "\n".join(parts)
    assert found.assignment is not None
    every = list(lines(query, found.assignment))
    return "\n".join(parts + every[:SHOWN] + ([f"... {len(every) - SHOWN} lines more"] if len(every) > SHOWN else []))


def _of(found: "Answer") -> dict[str, object]:
    """What is written of an answer; the assignment with every value."""
    values = None
    if found.assignment is not None:
        values = {name: array.tolist() for name, array in found.assignment.items()}
    return _record(found.word, found.bound, found.reason, found.seconds, values)


def _record(word: str, bound: float, reason: str, seconds: float, values: object) -> dict[str, object]:
    return {
        "verdict": VERDICTS[word],
        "answer": word,
        "bound": bound if abs(bound) < float("inf") else None,
        "reason": reason,
        "seconds": round(seconds, 4),
        "assignment": values,
    }


def _late(args: argparse.Namespace, seconds: float, step: str) -> None:
    """What is said where a single step outlasts the limit."""
    reason = f"the time was up, and the last step did not end{f' ({step})' if step else ''}"
    record = _record("timed-out", -float("inf"), reason, seconds, None)
    _report(args, f"unknown (timed-out) after {seconds:.2f} s: {reason}", record)


def _report(args: argparse.Namespace, text: str, record: dict[str, object]) -> None:
    """The verdict for people, and one JSON object where it was asked for."""
    say(text, sys.stderr if args.json == "-" else sys.stdout)
    if args.json is None:
        return
    line = json.dumps({"property": args.property, **record})
    if args.json == "-":
        say(line, sys.stdout)
        return
    try:
        with Path(args.json).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise InputError(f"{args.json} can't be written: {error.strerror or error}") from error
