"""A limit that holds: loading or a single step of a search may outlast it, with no loop there to ask the time."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from verifier.cli.streams import tell
from verifier.errors import InputError


class Alarm(threading.Thread):
    """Within a `with` of it: after `seconds` the process says `last()` and ends by itself, with exit code `code`, or
    `failed` where nobody takes what it says. `last` must import nothing: the main thread may be importing.

    Only one answer leaves the process, the alarm's or the main thread's, said by `answer`.
    """

    def __init__(self, seconds: float, last: Callable[[], None], code: int, failed: int) -> None:
        super().__init__(daemon=True)
        self._seconds, self._last, self._code, self._failed = seconds, last, code, failed
        self._answered, self._saying = threading.Event(), threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._answered.set()

    def run(self) -> None:
        if self._answered.wait(min(self._seconds, threading.TIMEOUT_MAX)):
            return
        self._saying.acquire()
        if self._answered.is_set():
            return
        code = self._failed
        try:
            self._last()
            code = self._code
        except (InputError, BrokenPipeError) as error:
            tell(str(error))
        finally:  # also where nobody takes the answer: the other thread waits for the lock
            os._exit(code)

    def answer(self, say: Callable[[], None]) -> None:
        """Say the answer, the only one."""
        with self._saying:
            self._answered.set()
            say()
