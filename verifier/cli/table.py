"""The end of a run as plain text for a person."""

import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from verifier.cli.progress import duration
from verifier.results import Record
from verifier.verdict import Reason, Trust

FEW = 20  # inputs that get a line each
MANY = 15  # inputs that a list names


def summary(records: Sequence[Record], total: int, named: Callable[[int | None], str], own_labels: bool) -> str:
    """Accuracy, verdicts, times; `total` inputs were asked for, `records` are known."""
    records = sorted(records, key=lambda record: record.index)
    far = any(record.verified_eps is not None for record in records)
    blocks = [_inputs(records, named, far)] if 0 < len(records) <= FEW else []
    blocks.append(_counts(records, total, own_labels))
    if far:
        blocks.append(_radii(records))
    if len(records) > FEW:
        blocks.append(_lists(records, named))
    blocks += dict.fromkeys(record.detail for record in records if "\n" in record.detail)
    return "\n\n".join(block for block in blocks if block)


def _inputs(records: Sequence[Record], named: Callable[[int | None], str], far: bool) -> str:
    """A line for each input."""
    head = [
        "input",
        "label",
        "verdict",
        *(["verified eps", "broken eps"] if far else ["bound"]),
        "seconds",
        "method",
        "",
    ]
    rows = [head]
    for r in records:
        numbers = [_number(r.verified_eps), _number(r.broken_eps)] if far else [_number(r.bound)]
        rows.append(
            [str(r.index), named(r.label), r.verdict, *numbers, f"{r.seconds:.2f}", r.method, _remark(r, named)]
        )
    return aligned(rows, right={0, *range(3, len(head) - 2)})


def _remark(record: Record, named: Callable[[int | None], str]) -> str:
    short = "" if "\n" in record.detail else record.detail  # a list of operators is told once, below
    parts = [": ".join(text for text in (record.reason, short) if text)]
    if record.becomes is not None:
        parts = [f"{named(record.label)} -> {named(record.becomes)}", record.witness, *parts]
    return "  ".join(part for part in parts if part)


def _counts(records: Sequence[Record], total: int, own_labels: bool) -> str:
    count = Counter(record.verdict for record in records)
    judged = len(records) - count["error"]
    right = judged - count["misclassified"]
    rows = []
    if own_labels:
        rows.append(["natural accuracy", "", "", "labels are the model's own"])
    else:
        rows.append(_share("natural accuracy", right, judged))
    rows.append(_share("verified", count["verified"], len(records)))
    word = Trust.SOLVER.value
    if believed := sum(record.verdict == "verified" and word in record.detail for record in records):
        rows.append(["  of these", str(believed), "", word])
    rows += [_share(verdict, count[verdict], len(records)) for verdict in ("falsified", "unknown")]
    reasons = Counter(record.reason for record in records if record.verdict == "unknown")
    rows += [[f"  {reason}", str(n), "", _meaning(reason)] for reason, n in reasons.most_common()]
    rows += [_share(verdict, count[verdict], len(records)) for verdict in ("misclassified", "error") if count[verdict]]
    if len(records) < total:
        rows.append(["not finished", str(total - len(records)), "", "stopped; --resume goes on with a result file"])
    times = [record.seconds for record in records if record.verdict != "misclassified"]
    if times:
        mean, middle, most = (duration(t) for t in (statistics.fmean(times), statistics.median(times), max(times)))
        rows.append(["time per image", mean, "", f"median {middle}, longest {most}"])
    return aligned(rows, right={1, 2})


def _share(what: str, n: int, of: int) -> list[str]:
    return [what, f"{n}/{of}", f"{100 * n / of:.1f} %" if of else "", ""]


def _meaning(reason: str) -> str:
    return Reason[reason.upper()].value if reason.upper() in Reason.__members__ else ""


def _radii(records: Sequence[Record]) -> str:
    """Medians over the inputs that are classified right."""
    rows = [["radius", "median", "least", "greatest", "inputs"]]
    for name, values in (
        ("largest verified", [r.verified_eps for r in records if r.verified_eps is not None]),
        ("smallest broken", [r.broken_eps for r in records if r.broken_eps is not None and r.verified_eps is not None]),
    ):
        ends = [statistics.median(values), min(values), max(values)] if values else []
        rows.append([name, *(f"{value:.4g}" for value in ends), *("" for _ in range(3 - len(ends))), str(len(values))])
    late = sum(record.reason == "time" for record in records)
    note = (
        f"\n{late} of {len(records)} searches were ended by --timeout: more time brings the radii nearer"
        if late
        else ""
    )
    return aligned(rows, right={1, 2, 3, 4}) + note


def _lists(records: Sequence[Record], named: Callable[[int | None], str]) -> str:
    """Which inputs are not verified, and one falsified as an example."""
    lines = []
    for verdict in ("falsified", "unknown", "misclassified", "error"):
        chosen = [record for record in records if record.verdict == verdict]
        if chosen:
            more = f" and {len(chosen) - MANY} more" if len(chosen) > MANY else ""
            lines.append(f"{verdict}: {', '.join(str(record.index) for record in chosen[:MANY])}{more}")
    first = next((record for record in records if record.verdict == "falsified"), None)
    if first is not None:
        lines.append(f"for example, input {first.index}: {_remark(first, named)}")
    failed = next((record for record in records if record.verdict == "error"), None)
    if failed is not None:
        lines.append(f"the first error, input {failed.index}: {failed.reason}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def aligned(rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns with two spaces between them; those in `right` end together."""
    rows = list(rows)
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = (
        "  ".join(f"{cell:>{width}}" if k in right else f"{cell:<{width}}" for k, (cell, width) in enumerate(cells))
        for cells in (tuple(zip(row, widths, strict=True)) for row in rows)
    )
    return "\n".join(line.rstrip() for line in lines)
