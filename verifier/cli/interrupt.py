"""Ctrl-C and `kill`: between two records they stop the run, within one they wait until it is written."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The run was asked to stop by `signal`. No `except Exception` may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class Interrupts:
    """While it is entered, the signals raise `Stopped` in the main thread; a second one ends the process as usual."""

    def __init__(self) -> None:
        self._held = False
        self._pending = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        try:
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        except ValueError:  # not the main thread: signals are none of our business
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Signals wait until the block is left."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            raise Stopped(self._pending)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._restore()
        if not self._held:
            raise Stopped(number)
        self._pending = number

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
