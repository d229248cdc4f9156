"""`verifier-vnnlib`: the command line that the VNN-LIB standard asks of a solver (2.0, chapter 5).

Verdict and assignment go to stdout at once, everything else to stderr. Nothing heavy is imported before a query must be
decided.
"""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from verifier.cli.alarm import Alarm
from verifier.cli.arguments import at_least, named, seconds
from verifier.cli.capabilities import LISTS, supported
from verifier.cli.files import is_file, mapping
from verifier.cli.process import guarded, leave, prepare
from verifier.cli.streams import say, tell
from verifier.errors import InputError, UnsupportedModel

if TYPE_CHECKING:
    from verifier.formats.vnnlib.query import Query
    from verifier.queries.answer import Answer

NAME = "verifier-vnnlib"
USAGE = f"""\
usage: {NAME} --name | --version
       {NAME} supports CAPABILITY
       {NAME} [verify] QUERY.vnnlib [--network NAME=MODEL.onnx]... [--timeout SECONDS]
                       [--serialise-assignments DIR] [--method NAME] [--seed N] [--verbose]

Prints sat, unsat, unknown or timed-out; behind sat a value for every declared variable. Exit code 0 for all four, 1 for
a mistake in the query, the networks or the arguments, 2 for a failure of the solver itself.
"""
KEPT = 1.0  # seconds of the time limit that are left for imports, printing and the end of the process
SHARE = 0.85  # of a small one


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; `argv` without the program's name. Returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    return guarded(NAME, lambda: _dispatch(words), wrong=1)


def command() -> NoReturn:
    """`verifier-vnnlib` as a process of its own."""
    leave(main())


def _dispatch(words: list[str]) -> int:
    match words:
        case ["--name"]:
            say("verifier", sys.stdout)
        case ["--version"]:
            from verifier import __version__

            say(__version__, sys.stdout)
        case [] | ["-h" | "--help", *_]:
            say(USAGE.rstrip(), sys.stdout)
        case ["supports" | "capabilities", what]:
            lines = supported(what)
            if lines is None:
                raise InputError(f"no capability is called {what!r}; there are --{', --'.join(LISTS)}")
            say(lines.rstrip(), sys.stdout)
        case ["supports" | "capabilities", *_]:
            raise InputError(f"supports takes one capability: --{', --'.join(LISTS)}")
        case ["verify", *rest]:
            return _verify(rest)
        case _:
            return _verify(words)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=NAME, usage=USAGE.removeprefix("usage: "))
    add = made.add_argument
    add("query")
    add("--network", action="append", default=[], type=named, metavar="NAME=MODEL.onnx")
    add("--timeout", type=seconds)
    add("--serialise-assignments", "--assignments", dest="assignments", type=Path, metavar="DIR")
    add("--method", default="auto")
    add("--seed", type=at_least(0), default=0)
    add("--verbose", action="store_true")
    return made


def _verify(words: list[str]) -> int:
    start = time.monotonic()
    args = parser().parse_args(words)
    limit = threading.TIMEOUT_MAX if args.timeout is None else (args.timeout + within(args.timeout)) / 2
    with Alarm(limit, lambda: say("timed-out", sys.stdout), 0, 1) as alarm:
        return _decide(args, start, alarm)


def _decide(args: argparse.Namespace, start: float, alarm: Alarm) -> int:
    networks = mapping(args.network)
    is_file(args.query)
    prepare()
    from verifier.formats.vnnlib.reader import read
    from verifier.queries.answer import answer
    from verifier.queries.assignment import lines

    query = read(args.query)
    if query.version.startswith("1") and len(networks) == 1:
        networks = {query.networks[0].name: next(iter(networks.values()))}  # 1.0 names no network
    left = 1e9 if args.timeout is None else within(args.timeout) - (time.monotonic() - start)
    try:
        how = settings(args.method, max(left, 0.01), args.seed)
        found = answer(query, networks, how, tell if args.verbose else _no)
    except UnsupportedModel as error:
        tell(f"{NAME}: {error}")
        return _answer(alarm, "unknown")
    if args.assignments is not None and found.assignment is not None:
        serialise(query, found, args.assignments)
    if args.verbose:
        tell(f"{found.reason}; bound {found.bound:.6g}, {found.seconds:.2f} s")
    return _answer(alarm, found.word, *(lines(query, found.assignment) if found.assignment is not None else ()))


def _answer(alarm: Alarm, *text: str) -> int:
    alarm.answer(lambda: say("\n".join(text), sys.stdout))
    return 0


def within(timeout: float) -> float:
    """When to answer, so that the process has ended by `timeout`."""
    return max(timeout - KEPT, SHARE * timeout) if timeout < KEPT / (1 - SHARE) else timeout - KEPT


def settings(method: str, timeout: float, seed: int):  # type: ignore[no-untyped-def]
    """`verifier.batch.Settings`; the room is imported late."""
    from verifier.batch import Settings
    from verifier.plan import plan

    return Settings(plan(method), timeout=timeout, seed=seed)


def serialise(query: "Query", answer: "Answer", directory: Path) -> None:
    """`DIR/NAME.pb` for every variable: a tensor of its declared type; `real` as float64."""
    import numpy as np
    from onnx import numpy_helper

    assert answer.assignment is not None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for network in query.networks:
            for v in network.variables:
                array = np.asarray(answer.assignment[v.name], dtype="float64" if v.dtype == "real" else v.dtype)
                tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(v.shape), v.name)
                (directory / f"{v.name}.pb").write_bytes(tensor.SerializeToString())
    except OSError as error:
        raise InputError(f"{directory} can't be written: {error.strerror or error}") from error


def _no(_: str) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    command()
