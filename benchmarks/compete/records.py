"""One line for each tool and instance, written as soon as it is known."""

import csv
import io
import os
import threading
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from compete.instances import Key

SOLVED = ("sat", "unsat")


@dataclass(frozen=True)
class Record:
    """What a tool answered. `witness` is empty, valid, tolerated, invalid (then the verdict is error) or unchecked."""

    tool: str
    benchmark: str
    onnx: str
    vnnlib: str
    verdict: str
    wall_s: float
    limit_s: float
    expected: str = ""
    witness: str = ""
    overrun: bool = False
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    note: str = ""

    @property
    def key(self) -> Key:
        return self.onnx, self.vnnlib


COLUMNS = [column.name for column in fields(Record)]
Done = tuple[str, str, str, float]


def done(record: Record) -> Done:
    """What a second run need not repeat."""
    return record.tool, *record.key, record.limit_s


def read(file: Path) -> list[Record]:
    """All whole lines; a line that a crash cut short is none."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    if rows and rows[0] != COLUMNS:
        raise SystemExit(f"{file}: not a file of results. Its first line should be {','.join(COLUMNS)}")
    return [_record(row) for row in rows[1:]]


def _record(row: list[str]) -> Record:
    tool, benchmark, onnx, vnnlib, verdict, wall, limit, expected, witness, overrun, cpu, peak, note = row
    return Record(
        tool,
        benchmark,
        onnx,
        vnnlib,
        verdict,
        float(wall),
        float(limit),
        expected,
        witness,
        overrun == "True",
        float(cpu),
        float(peak),
        note,
    )


class Log:
    """A file of results that grows by whole lines and survives a crash after any of them."""

    def __init__(self, file: Path) -> None:
        self.file, self.lock = file, threading.Lock()
        read(file)  # refuses what is not ours before anything is run
        if file.is_file():
            content = file.read_bytes()
            os.truncate(file, content.rfind(b"\n") + 1)
        if not file.is_file() or not file.stat().st_size:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._write([COLUMNS])

    def append(self, record: Record) -> None:
        with self.lock:
            *cells, note = map(str, astuple(record))
            self._write([[*cells, " ".join(note.split())]])

    def _write(self, rows: Iterable[list[str]]) -> None:
        with self.file.open("a", newline="", encoding="utf-8") as lines:
            csv.writer(lines, lineterminator="\n").writerows(rows)
            lines.flush()
            os.fsync(lines.fileno())
