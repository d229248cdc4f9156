"""Who is wrong: an answer that contradicts what is known, or another tool."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compete.instances import Key
from compete.records import SOLVED, Record

Outcome = str  # one of verified, falsified, wrong, invalid, open (timeout or unknown), error


def truths(records: Iterable[Record], expected: Mapping[Key, str]) -> dict[Key, str]:
    """What is known of each instance: `sat` where a tool showed a valid witness, else the expected verdict if there is
    one, else nothing, or `disputed` where two tools contradict each other."""
    answers: dict[Key, set[str]] = defaultdict(set)
    shown: set[Key] = set()
    for record in records:
        if record.verdict in SOLVED:
            answers[record.key].add(record.verdict)
        if record.verdict == "sat" and record.witness == "valid":
            shown.add(record.key)
    known = {key: "disputed" if len(said) > 1 else "" for key, said in answers.items()}
    known |= {key: word for key, word in expected.items() if word}
    return known | dict.fromkeys(shown, "sat")


def outcome(record: Record, truth: str) -> Outcome:
    """How a record counts. An answer that came after its limit is none, however right; a wrong one counts as wrong."""
    if record.witness == "invalid":
        return "invalid"
    match record.verdict:
        case "sat" | "unsat":
            if truth and record.verdict != truth:
                return "wrong"
            if record.overrun:
                return "open"
            return "falsified" if record.verdict == "sat" else "verified"
        case "unknown" | "timeout":
            return "open"
        case "error":
            return "error"
    raise ValueError(f"{record.tool} on {record.vnnlib}: no verdict is called {record.verdict}")


@dataclass(frozen=True)
class Judged:
    """A record and how it counts."""

    record: Record
    outcome: Outcome

    @property
    def solved(self) -> bool:
        return self.outcome in ("verified", "falsified")

    @property
    def penalised(self) -> float:
        """Its part of PAR-2, in seconds."""
        return self.record.wall_s if self.solved else 2 * self.record.limit_s


def judge(own: Iterable[Record], peers: Iterable[Record], unsettling: Iterable[Record] = ()) -> list[Judged]:
    """Own records and those of peers on the same instances. `unsettling` are judged but not believed in disputes.

    A peer that goes by the name of a solver that ran is left out: the run is newer and on this machine.
    """
    own = list(own)
    tools, expected = {r.tool for r in own}, {r.key: r.expected for r in own}
    beside = [r for r in peers if r.key in expected and r.tool not in tools]
    others = [r for r in unsettling if r.key in expected and r.tool not in tools]
    truth = truths([*own, *beside], expected)
    return [Judged(r, outcome(r, truth.get(r.key, ""))) for r in (*own, *beside, *others)]
