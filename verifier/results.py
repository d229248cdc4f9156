"""Result files: one line for each input, on disk as soon as it is known, so that no kill loses a finished result.

JSON has one object a line, CSV the same columns. Every line carries `run`, the settings that decide answers, and a run
that is resumed must have the same. A line that a kill cut short is removed; every other line must be a record.
"""

import csv
import hashlib
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TextIO

from verifier.errors import InputError

VERDICTS = ("verified", "falsified", "unknown", "misclassified", "error")


@dataclass(frozen=True)
class Record:
    """What is known about one input. Missing numbers are None, missing texts empty.

    `bound`: a proven lower bound of the label's margin over all other classes; where `falsified`, its value at the
    witness. `becomes`: the class that the witness (or the clean input, where misclassified) is given.
    """

    index: int
    label: int
    verdict: str
    reason: str = ""
    bound: float | None = None
    seconds: float = 0.0
    method: str = ""
    predicted: int | None = None
    becomes: int | None = None
    verified_eps: float | None = None
    broken_eps: float | None = None
    witness: str = ""
    detail: str = ""
    run: str = ""


COLUMNS = tuple(field.name for field in fields(Record))
_READ: dict[Any, Callable[[Any], Any]] = {
    int: int,
    str: str,
    float: float,
    int | None: lambda value: None if value in (None, "") else int(value),
    float | None: lambda value: None if value in (None, "") else float(value),
}


def to_json(record: Record) -> str:
    return json.dumps(asdict(record), allow_nan=False)


def to_csv(record: Record) -> str:
    return _row("" if value is None else str(value) for value in asdict(record).values())


def from_fields(values: dict[str, Any]) -> Record:
    """A record from JSON or CSV values; columns that are not ours are ignored."""
    record = Record(**{f.name: _READ[f.type](values[f.name]) for f in fields(Record)})
    if record.verdict not in VERDICTS:
        raise ValueError(f"no verdict is called {record.verdict!r}")
    return record


class Sink:
    """A result file, open for writing. `done` holds the records that were in it when it was resumed."""

    def __init__(self, path: str, kind: str, run: str, resume: bool) -> None:
        self.path, self.kind, self.run = path, kind, run
        self.done: dict[int, Record] = {}
        if path == "-":
            self._stream: TextIO = sys.stdout
        else:
            self.done = self._recover(resume)
            self._stream = _open(path, "a")
        if kind == "csv" and not self.done:
            self._line(_row(COLUMNS))

    def write(self, record: Record) -> None:
        """Append and force to disk; an index that the file already has is left alone."""
        if record.index not in self.done:
            self._line(to_json(record) if self.kind == "json" else to_csv(record))

    def close(self) -> None:
        if self._stream is not sys.stdout:
            with suppress(OSError):  # each line was forced to disk, or its failure has been told
                self._stream.close()

    def _line(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
            if self._stream is not sys.stdout and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
                os.fsync(self._stream.fileno())
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"{self.path} can't be written: {error.strerror or error}") from error

    def _recover(self, resume: bool) -> dict[int, Record]:
        path = Path(self.path)
        if not path.is_file() or not path.stat().st_size:
            return {}
        if not resume:
            raise InputError(f"{path} holds results already. Add --resume to go on with them, or remove the file")
        kept, lines = _complete_lines(path)
        records = self._parse(lines)
        for record in records:
            _same_run(path, record.run, self.run)
        with _open(self.path, "r+") as stream:
            stream.truncate(kept if records else 0)
        return {record.index: record for record in records}

    def _parse(self, lines: list[str]) -> list[Record]:
        if self.kind == "csv" and lines and not set(COLUMNS) <= set(next(csv.reader(lines[:1]))):
            raise InputError(f"{self.path} can't be resumed: its first line is not the header of a result file")
        records = []
        for number, line in enumerate(lines[1:] if self.kind == "csv" else lines, 2 if self.kind == "csv" else 1):
            try:
                values = json.loads(line) if self.kind == "json" else _csv_values(lines[0], line)
                records.append(from_fields(values))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{self.path} can't be resumed: line {number} is not a result ({error!r})") from error
        return records


def check_writable(path: str) -> None:
    """Refuse early: nobody wants to learn after an hour that the results have no place.

    Raises:
        InputError: the file can't be written.
    """
    if path == "-":
        return
    place = Path(path)
    if place.is_dir():
        raise InputError(f"{path} can't be written: it is a directory")
    if not place.parent.is_dir():
        raise InputError(f"{path} can't be written: there is no directory {place.parent}")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise InputError(f"{path} can't be written: permission denied")


def digest(parts: Iterable[bytes]) -> str:
    """A short name of some content, for `run`."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()[:16]


def _same_run(path: Path, found: str, wanted: str) -> None:
    if found == wanted:
        return
    old, new = (dict(pair.partition("=")[::2] for pair in run.split()) for run in (found, wanted))
    changed = [
        f"{key} {old.get(key)} there, {new.get(key)} now" for key in {**old, **new} if old.get(key) != new.get(key)
    ]
    raise InputError(f"{path} can't be resumed: it was made with other settings ({'; '.join(changed)})")


def _complete_lines(path: Path) -> tuple[int, list[str]]:
    """The length in bytes of the lines that end in a newline, and these lines."""
    try:
        data = path.read_bytes()
        kept = data.rfind(b"\n") + 1
        return kept, data[:kept].decode("utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read: {error}") from error


def _open(path: str, mode: Literal["a", "r+"]) -> TextIO:
    try:
        return open(path, mode, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}") from error


def _row(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([" ".join(value.split()) for value in values])
    return line.getvalue()


def _csv_values(header: str, line: str) -> dict[str, Any]:
    names, values = (next(csv.reader([text])) for text in (header, line))
    return dict(zip(names, values, strict=True))
