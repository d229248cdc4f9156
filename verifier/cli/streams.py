"""Standard streams as an operator may leave them: closed, on a full disk, or with nobody who reads."""

import os
import sys
from typing import TextIO

from verifier.errors import InputError


def open_all() -> None:
    """Give a closed standard stream to the null device.

    Else the next file that is opened gets its number, and what libraries print goes into a file of results.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def say(text: str, stream: TextIO) -> None:
    """Print `text` at once.

    Raises:
        InputError: the stream takes nothing more.
    """
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        forget(stream)
        raise InputError(f"the result can't be written to {stream.name}: {error.strerror or error}") from error


def tell(text: str) -> None:
    """A line on stderr for whoever watches. A full disk there is no reason to stop, or for another exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """What the stream still holds goes nowhere, so that the interpreter doesn't stumble over it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
