"""What other tools answered on the same instances, as recorded elsewhere."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from compete.instances import Key
from compete.records import SOLVED, Record
from compete.solvers import WORDS


def measured(file: Path, sample: str | None = None) -> list[Record]:
    """Records with the columns tool, benchmark, onnx, vnnlib, verdict, wall_s, limit_s and perhaps sample.

    Of several runs of one tool on one instance the best counts: solved before unsolved, then the fastest.
    """
    best: dict[tuple[str, Key], Record] = {}
    for row in _rows(file):
        if sample not in (None, row.get("sample")):
            continue
        record = Record(
            row["tool"],
            row["benchmark"],
            row["onnx"],
            row["vnnlib"],
            WORDS.get(row["verdict"], "error"),
            float(row["wall_s"]),
            float(row["limit_s"]),
            note=row.get("note") or "",
        )
        which = record.tool, record.key
        if which not in best or _rank(record) < _rank(best[which]):
            best[which] = record
    return list(best.values())


def _rank(record: Record) -> tuple[bool, float]:
    return record.verdict not in SOLVED, record.wall_s


def competition(file: Path, limits: Mapping[Key, float]) -> list[Record]:
    """Records of a competition, one tool for each year; `limits` are the competition's, in seconds."""
    return [
        Record(
            f"{row['tool']} {row['year']}",
            row["benchmark"],
            row["onnx"],
            row["vnnlib"],
            WORDS.get(row["verdict"], "error"),
            float(row["seconds"] or 0),
            limits[row["onnx"], row["vnnlib"]],
        )
        for row in _rows(file)
        if (row["onnx"], row["vnnlib"]) in limits
    ]


def _rows(file: Path) -> Iterable[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)
