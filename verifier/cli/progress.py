"""Live progress on stderr: one line that is rewritten on a terminal, else a line every few seconds."""

import shutil
import threading
import time
from collections import Counter
from typing import TextIO

from verifier.results import VERDICTS, Record

REDRAW, REPEAT = 0.25, 5.0  # seconds, on a terminal and elsewhere


class Progress:
    """Entered, it redraws from a thread of its own, so that the clock goes on while a bound is computed."""

    def __init__(self, stream: TextIO, total: int, done: list[Record]) -> None:
        self.stream, self.total, self.resumed = stream, total, len(done)
        self.counts = Counter(record.verdict for record in done)
        self.doing = ""
        self._start = time.monotonic()
        self._live = stream.isatty()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self._live:
            self._write("\r\x1b[K")

    def note(self, text: str) -> None:
        self.doing = text

    def add(self, record: Record) -> None:
        self.counts[record.verdict] += 1

    def line(self) -> str:
        """What is known so far, in one line."""
        done = self.counts.total()
        seconds = time.monotonic() - self._start
        found = ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in VERDICTS if self.counts[verdict])
        parts = [f"{done}/{self.total}", found, self.doing, duration(seconds) + self._left(done, seconds)]
        return "  ".join(part for part in parts if part)

    def _left(self, done: int, seconds: float) -> str:
        fresh = done - self.resumed
        return f", about {duration(seconds / fresh * (self.total - done))} left" if fresh and done < self.total else ""

    def _redraw(self) -> None:
        while not self._end.wait(REDRAW if self._live else REPEAT):
            if self._live:
                width = shutil.get_terminal_size().columns
                self._write("\r" + self.line()[: width - 1] + "\x1b[K")
            else:
                self._write(self.line() + "\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            self._end.set()


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
