"""`--certificate FILE`: keep what was proved, write it, and say plainly what has no certificate."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.streams import tell
from verifier.results import check_writable

if TYPE_CHECKING:
    from verifier.complete.record import Recorder


def recorder(path: str | None) -> "Recorder | None":
    """A recorder where a certificate is wanted."""
    if path is None:
        return None
    from verifier.complete.record import Recorder

    check_writable(path)
    return Recorder()


def certify(record: "Recorder", path: str, model: str) -> None:
    """Write the certificate and tell what is in it."""
    for reason, count in Counter(record.missing).items():
        tell(f"no certificate for {count} of {record.count} verified questions: {reason}")
    if not record.proved:
        tell(f"{path} was not written: there is no proof to write")
        return
    record.save(path, model)
    size = Path(path).stat().st_size / 2**20
    tell(
        f"{path}: proofs of {record.proved} questions, {size:.2f} MiB; `verify check {path} {model}` proves them again"
    )
