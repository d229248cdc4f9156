"""What a process of ours asks of its libraries before they are loaded."""

import ctypes
import os

TRIM, TOP, MAP = -1, -2, -3  # M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of glibc's malloc.h
KEPT, MORE, LARGEST = 2**30, 2**26, 2**25  # bytes


def prepare() -> None:
    """Threads that wait for work sleep: spinning, the default, took 190 s instead of 20 s where two cores were shared.

    Freed memory stays with the process. Searches allocate the same megabytes again and again, and fetching them from
    the system took 40 % of the time of proofs.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        options = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc: then as it comes
        return
    for option, value in ((TRIM, KEPT), (TOP, MORE), (MAP, LARGEST)):
        options(option, value)
