"""What a process of ours asks of its libraries before they are loaded, and how it ends."""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from verifier.cli.light import load_torch
from verifier.cli.streams import forget, open_all, tell
from verifier.errors import VerifierError

SPINS = "1000"  # of a thread that waits, of torch's OpenMP
TRIM, TOP, MAPS = -1, -2, -4  # M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_MAX of glibc's malloc.h
KEPT, MORE = 2**31 - 1, 2**26  # bytes


def prepare() -> None:
    """Load torch, once the files that the user named are there.

    Threads that wait for work spin for a few microseconds, then sleep, unless the user says otherwise. Spinning for
    long, the default, took 190 s instead of 20 where two cores were shared; sleeping at once 57 instead of 13 where
    they were not, on a virtual machine that is slow to wake threads.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", SPINS)}
    keep_memory()
    load_torch()


def keep_memory() -> None:
    """Freed memory stays with the process, large blocks as well. Searches allocate the same megabytes again and again,
    and fetching them from the system took 40 % of the time of proofs, of large networks more than half."""
    try:
        options = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc: then as it comes
        return
    for option, value in ((TRIM, KEPT), (TOP, MORE), (MAPS, 0)):
        options(option, value)


def guarded(name: str, run: Callable[[], int], wrong: int) -> int:
    """The exit code of `run()`, whatever ends it: `wrong` for a mistake of the user's, 2 for one of ours."""
    open_all()
    try:
        code = run()
        sys.stdout.flush()
        return code
    except VerifierError as error:
        tell(f"{name}: {type(error).__name__}: {error}")
        try:
            sys.stdout.flush()
        except OSError:  # a full disk: the interpreter must not stumble over what is left
            forget(sys.stdout)
        return wrong
    except SystemExit as end:  # argparse has printed help, the version, or what is wrong
        return wrong if end.code else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read stdout has left, as `head` does; the interpreter must not stumble over it
        forget(sys.stdout)
        return 141
    except Exception as error:
        import traceback

        tell(traceback.format_exc().rstrip())
        tell(f"{name}: this is a bug of verifier, please report it: {type(error).__name__}: {error}")
        return 2


def leave(code: int) -> NoReturn:
    """End the process at once: torch takes half a second to be taken apart."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever wrote has told already; or it is closed
            stream.flush()
    os._exit(code)
