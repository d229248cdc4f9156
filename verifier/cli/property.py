"""`verify model.onnx --property p.vnnlib`: a query as a property, that what it asserts is impossible."""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from verifier.cli.certify import certify, recorder
from verifier.cli.files import is_file, mapping, the_only
from verifier.cli.streams import say, tell
from verifier.errors import InputError
from verifier.results import check_writable

if TYPE_CHECKING:
    from verifier.formats.vnnlib.query import Query
    from verifier.queries.answer import Answer

CODES = {"unsat": 0, "sat": 1, "unknown": 3, "timed-out": 3}
VERDICTS = {"unsat": "verified", "sat": "falsified", "unknown": "unknown", "timed-out": "unknown"}
LEAST = 0.01  # seconds for an answer where reading the property took all of them
SHOWN = 40  # lines of an assignment that are printed; --json has all of it


def decide(args: argparse.Namespace) -> int:
    """Answer, print the verdict with the best bound and why; returns the exit code."""
    is_file(args.property)
    networks = mapping(args.network or [("", args.model)])
    if args.json is not None:
        check_writable(args.json)
    import torch

    from verifier.formats.vnnlib.reader import read
    from verifier.plan import Settings, plan
    from verifier.queries.answer import answer

    start = monotonic()
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
    found = answer(query, networks, settings, tell)
    out = sys.stderr if args.json == "-" else sys.stdout
    say(summary(query, found), out)
    if args.json is not None:
        _write(args, found)
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


def _write(args: argparse.Namespace, found: "Answer") -> None:
    """One JSON object; the assignment with every value."""
    values = None
    if found.assignment is not None:
        values = {name: array.tolist() for name, array in found.assignment.items()}
    record = {
        "property": args.property,
        "verdict": VERDICTS[found.word],
        "answer": found.word,
        "bound": found.bound if abs(found.bound) < float("inf") else None,
        "reason": found.reason,
        "seconds": round(found.seconds, 4),
        "assignment": values,
    }
    line = json.dumps(record)
    if args.json == "-":
        say(line, sys.stdout)
        return
    try:
        with Path(args.json).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise InputError(f"{args.json} can't be written: {error.strerror or error}") from error
