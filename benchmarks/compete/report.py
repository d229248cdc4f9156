"""What came out: tables for a terminal, the same as CSV, and two tools against each other."""

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compete.instances import Key
from compete.judge import Judged

COUNTS = ("verified", "falsified", "open", "error", "wrong", "invalid")
COLUMNS = ("family", "tool", "instances", "verified", "falsified", "timeout/unknown", "errors", "wrong", "invalid")
TIMES = ("median_s", "par2_s")
EASY_S = 10.0  # an instance is easy for a peer that solves it in this time
Row = tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """A tool on a family. `median_s` is of the solved ones; `par2_s` the mean time, where an unsolved instance counts
    twice its limit."""

    family: str
    tool: str
    counts: tuple[int, ...]
    median_s: float | None
    par2_s: float

    @property
    def row(self) -> Row:
        median = "-" if self.median_s is None else f"{self.median_s:.2f}"
        return (self.family, self.tool, *map(str, (sum(self.counts), *self.counts)), median, f"{self.par2_s:.2f}")


def tally(family: str, tool: str, results: Sequence[Judged]) -> Tally:
    counts = tuple(sum(r.outcome == name for r in results) for name in COUNTS)
    if sum(counts) != len(results):
        raise ValueError(f"{tool} on {family}: an outcome is none of {', '.join(COUNTS)}")
    times = [r.record.wall_s for r in results if r.solved]
    par2 = statistics.fmean(r.penalised for r in results)
    return Tally(family, tool, counts, statistics.median(times) if times else None, par2)


def tools(results: Iterable[Judged]) -> list[str]:
    """In the order in which they first occur: what ran comes first."""
    return list(dict.fromkeys(r.record.tool for r in results))


def tallies(results: Sequence[Judged]) -> list[Tally]:
    """Families in alphabetical order, `all` last; in each the tools."""
    families = sorted({r.record.benchmark for r in results})
    found = []
    for family in [*families, "all"]:
        for tool in tools(results):
            part = [r for r in results if r.record.tool == tool and family in (r.record.benchmark, "all")]
            found += [tally(family, tool, part)] if part else []
    return found


def table(header: Row, rows: Iterable[Row]) -> str:
    """Columns as wide as they must be; numbers to the right, the family only where it changes."""
    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines, before = [], ""
    for row in rows:
        shown = ("" if row[0] == before else row[0], *row[1:])
        before = row[0]
        sized = enumerate(zip(shown, widths, strict=True))
        cells = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in sized]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def summary(results: Sequence[Judged]) -> str:
    text = table((*COLUMNS, *TIMES), (t.row for t in tallies(results)))
    wrong = [f"wrong: {r.record.tool}  {name(r)}  {r.record.verdict}" for r in results if r.outcome == "wrong"]
    return "\n".join([text, *uneven(results), *sorted(wrong), *sorted(doubtful(results))])


def uneven(results: Sequence[Judged]) -> list[str]:
    """A line that tells which tools had which limits, if they differ."""
    limits = {t: sorted({r.record.limit_s for r in results if r.record.tool == t}) for t in tools(results)}
    spans = {tool: "-".join(f"{limit:g}" for limit in dict.fromkeys((l[0], l[-1]))) for tool, l in limits.items()}
    if len(set(spans.values())) < 2:
        return []
    return ["limits differ, PAR-2 can't be compared: " + ", ".join(f"{tool} {span} s" for tool, span in spans.items())]


def doubtful(results: Sequence[Judged]) -> list[str]:
    """Answers that contradict each other though none counts as wrong: a competition's record is against a tool's."""
    answers: dict[Key, dict[str, list[str]]] = {}
    for result in results:
        if result.solved:
            answers.setdefault(result.record.key, {}).setdefault(result.record.verdict, []).append(result.record.tool)
    first = {r.record.key: r for r in reversed(results)}
    return [
        f"doubtful: {name(first[key])}  " + "; ".join(f"{word}: {', '.join(who)}" for word, who in sorted(said.items()))
        for key, said in answers.items()
        if len(said) > 1
    ]


def name(result: Judged) -> str:
    record = result.record
    return f"{record.benchmark}  {Path(record.onnx).name}  {Path(record.vnnlib).name}"


def save(file: Path, results: Sequence[Judged]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow((*COLUMNS, *TIMES))
        writer.writerows(t.row for t in tallies(results))


def versus(results: Sequence[Judged], ours: str, peer: str) -> str:
    """Instances that both have run and that only one of them solved; easy ones that cost us more than half of the
    peer's time, those with the worst ratio first."""
    of_peer = {r.record.key: r for r in results if r.record.tool == peer}
    pairs = [(r, of_peer[r.record.key]) for r in results if r.record.tool == ours and r.record.key in of_peer]
    pairs.sort(key=lambda pair: (pair[0].record.benchmark, *pair[0].record.key))
    if not pairs:
        return f"{ours} and {peer} have no instance in common. Tools: {', '.join(tools(results))}"
    easy = [(a, b) for a, b in pairs if b.solved and b.record.wall_s < EASY_S]
    slow = [(a, b) for a, b in easy if a.solved and a.record.wall_s > b.record.wall_s / 2]
    slow.sort(key=lambda pair: -pair[0].record.wall_s / max(pair[1].record.wall_s, 1e-3))
    parts = [
        (f"solved by {peer}, not by {ours}", [(a, b) for a, b in pairs if b.solved and not a.solved]),
        (f"solved by {ours}, not by {peer}", [(a, b) for a, b in pairs if a.solved and not b.solved]),
        (f"{ours} takes more than half of {peer}'s time, of {len(easy)} that {peer} solves in {EASY_S:g} s", slow),
    ]
    lines = [f"{ours} against {peer} on {len(pairs)} instances that both have run"]
    for title, found in parts:
        lines.append(f"\n{title}: {len(found)}")
        lines += [f"  {name(a)}  {ours} {timed(a)}, {peer} {timed(b)}" for a, b in found]
    return "\n".join(lines)


def timed(result: Judged) -> str:
    """What it came to in words: an answer that doesn't count is told as what it counts as."""
    word = "late" if result.outcome == "open" and result.record.overrun else result.record.verdict
    word = result.outcome if result.outcome in ("wrong", "invalid") else word
    return f"{word} {result.record.wall_s:.2f} s"
