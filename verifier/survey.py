"""Many inputs, one question: does the label stay within a radius, or how far does it? A record for each input.

A failure costs at most the inputs that caused it: a block that raises is repeated input by input, and the inputs that
raise again are recorded as `error` (or `unknown`, where memory ran out).
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from verifier.api import compare, verify_each
from verifier.bounding.methods import MEMORY
from verifier.data import Inputs
from verifier.model import Model
from verifier.properties import robust
from verifier.radius import ABSOLUTE, Radius, max_radius
from verifier.regions import Region
from verifier.regions.norm import around
from verifier.results import Record, digest
from verifier.verdict import Falsified, Reason, Trust, Unknown, Verdict, Verified

BLOCK = 16  # inputs that are asked about together
ROWS = 24  # bytes an entry of the property's rows takes while they are built
SPREAD = 0.01  # of the valid range: how far the model is checked where no radius was given


@dataclass(frozen=True)
class Question:
    """`eps` in input units; with `farthest` it is only where the search for each input's radius starts."""

    norm: str = "inf"
    eps: float | None = None
    farthest: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """A record, and the input `(*in)` that breaks the label, where one was found."""

    record: Record
    witness: np.ndarray | None = None


_Step = Callable[[list[int]], Iterator[Outcome]]


@dataclass(frozen=True, eq=False)
class Survey:
    """`settings` are those of `verify_each`; `note` hears what is being worked on."""

    model: Model
    inputs: Inputs
    question: Question
    settings: dict[str, Any] = field(default_factory=dict)
    note: Callable[[str], None] = lambda _: None

    def run(self, skip: Collection[int] = ()) -> Iterator[Outcome]:
        """Outcomes as they are decided; inputs whose index is in `skip` are left out."""
        index = self.inputs.index.tolist()
        for first in range(0, len(index), BLOCK):  # fixed blocks: a resumed run shares its random numbers
            left = [k for k in range(first, min(first + BLOCK, len(index))) if index[k] not in skip]
            if left:
                yield from self._guarded(left, self._block, {})

    def check(self, points: int = 4) -> None:
        """Compare our graph with the model's own engine on points of the first region.

        Raises:
            InvalidModel: they disagree; a verdict about the graph would say nothing about the file.
        """
        first = replace(self.question, eps=self.question.eps or SPREAD * _width(self.inputs.range))
        compare(self.model, replace(self, question=first).region([0] * points))

    def name(self, inputs: str) -> str:
        """All settings that decide answers, as `key=value` words; `inputs` is the digest of the whole source."""
        question, (low, high) = self.question, self.inputs.range
        eps = f"max:{question.eps}" if question.farthest else str(question.eps)
        words = {"model": _model_digest(self.model), "inputs": inputs, "norm": question.norm, "eps": eps}
        words["range"] = f"{low}:{high}"
        words |= {
            key: str(self.settings[key]).removeprefix("torch.")
            for key in ("method", "timeout", "dtype", "seed")
            if key in self.settings
        }
        return " ".join(f"{key}={value}" for key, value in words.items())

    def region(self, places: list[int]) -> Region:
        """Where the inputs at these places may be."""
        images = torch.from_numpy(self.inputs.images[places])
        return around(images, self.question.eps or 0.0, self.question.norm, *self.inputs.range)

    def _guarded(self, places: list[int], step: _Step, labels: Mapping[int, int]) -> Iterator[Outcome]:
        """What `step` yields, and a record for all that it fails on; `labels` are those known by then."""
        left = dict(zip(self.inputs.index[places].tolist(), places, strict=True))
        try:
            for outcome in step(places):
                left.pop(outcome.record.index)
                yield outcome
        except Exception as error:
            if len(places) == 1:
                yield Outcome(self._failed(places[0], error, labels))
                return
            for place in left.values():
                yield from self._guarded([place], step, labels)

    def _block(self, places: list[int]) -> Iterator[Outcome]:
        self.note(f"evaluating {len(places)} inputs")
        outputs = np.asarray(self.model.evaluator(self.inputs.images[places])).reshape(len(places), -1)
        if not np.isfinite(outputs).all():
            raise ArithmeticError("the network's output is not finite on the clean input")
        labels = outputs.argmax(axis=1) if self.inputs.labels is None else self.inputs.labels[places]
        right: dict[int, int] = {}
        for place, label, output in zip(places, labels.tolist(), outputs, strict=True):
            if output[label] > output[_runner_up(output, label)]:  # strictly, as the property is: a tie is wrong
                right[place] = label
            else:
                yield Outcome(self._misclassified(place, label, output))
        yield from self._guarded(list(right), lambda some: self._ask(some, right), right)

    def _ask(self, places: list[int], labels: Mapping[int, int]) -> Iterator[Outcome]:
        """Verdicts, or radii, of inputs that are classified right; none of them raises for all."""
        if not places:
            return
        self._fits(len(places))
        wanted = torch.tensor([labels[place] for place in places])
        specification = robust(wanted, self.model.graph.output_shape)
        if not self.question.farthest:
            asked = verify_each(
                self.model, self.region(places), specification, note=self.note, check=False, **self.settings
            )
            for answer in asked:
                place = places[answer.index]
                yield self._answer(place, labels[place], answer.verdict, answer.seconds)
            return
        low, high = self.inputs.range
        options: dict[str, Any] = {"start": self.question.eps, "note": self.note, "check": False, **self.settings}
        images, norm = torch.from_numpy(self.inputs.images[places]), self.question.norm
        for far in max_radius(self.model, images, specification, norm=norm, lower=low, upper=high, **options):
            yield self._farthest(places[far.index], labels[places[far.index]], far)

    def _fits(self, count: int) -> None:
        """A label is compared with all others: for a detector's 21,125 outputs that took 22 GB, and the machine."""
        classes = math.prod(self.model.graph.output_shape)
        needed, allowed = ROWS * count * classes**2, self.settings.get("memory", MEMORY)
        if needed > allowed:
            raise MemoryError(
                f"to compare a label with {classes - 1:,} others takes {needed / 2**20:,.0f} MiB, "
                f"--memory allows {allowed / 2**20:,.0f}. Are these outputs classes?"
            )

    def _answer(self, place: int, label: int, verdict: Verdict, seconds: float) -> Outcome:
        common: dict[str, Any] = {
            "index": int(self.inputs.index[place]),
            "label": label,
            "predicted": label,
            "seconds": seconds,
        }
        if isinstance(verdict, Verified):
            word = "" if verdict.trust is Trust.RECHECKED else verdict.trust.value
            record = Record(**common, verdict="verified", bound=verdict.margin, method=verdict.method, detail=word)
            return Outcome(record)
        if isinstance(verdict, Falsified):
            record = Record(**common, verdict="falsified", bound=verdict.margin, method=verdict.method)
            return Outcome(_becoming(record, verdict), verdict.witness)
        return Outcome(
            Record(
                **common,
                verdict="unknown",
                reason=verdict.reason.name.lower(),
                bound=_finite(verdict.best),
                method=verdict.method,
                detail=verdict.detail,
            )
        )

    def _farthest(self, place: int, label: int, far: Radius) -> Outcome:
        """`verified` where some radius was, `falsified` where even the smallest is broken."""
        if far.proof is not None:
            verdict: Verdict = far.proof
        elif far.witness is not None and far.broken <= 2 * ABSOLUTE:
            verdict = far.witness
        else:
            verdict = far.open or Unknown(Reason.LOOSE, -math.inf, "none")
        record = self._answer(place, label, verdict, far.seconds).record
        record = replace(record, verified_eps=far.verified, broken_eps=_finite(far.broken))
        if far.late and not record.reason:
            near = "the radii could be nearer to each other"
            detail = "; ".join(text for text in (record.detail, near) if text)
            record = replace(record, reason=Reason.TIME.name.lower(), detail=detail)
        if far.witness is None:
            return Outcome(record)
        return Outcome(_becoming(record, far.witness), far.witness.witness)

    def _misclassified(self, place: int, label: int, output: np.ndarray) -> Record:
        becomes = _runner_up(output, label)
        common: dict[str, Any] = {"index": int(self.inputs.index[place]), "label": label, "method": "evaluator"}
        margin, predicted = float(output[label] - output[becomes]), int(output.argmax())
        return Record(**common, verdict="misclassified", bound=margin, predicted=predicted, becomes=becomes)

    def _failed(self, place: int, error: Exception, labels: Mapping[int, int]) -> Record:
        given = -1 if self.inputs.labels is None else int(self.inputs.labels[place])
        said = f"{type(error).__name__}: {error}"
        common: dict[str, Any] = {
            "index": int(self.inputs.index[place]),
            "label": labels.get(place, given),
            "predicted": labels.get(place),
        }
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return Record(**common, verdict="unknown", reason=Reason.MEMORY.name.lower(), detail=said)
        return Record(**common, verdict="error", reason=said)


def _becoming(record: Record, verdict: Falsified) -> Record:
    return replace(record, becomes=_runner_up(verdict.output.reshape(-1), record.label))


def _runner_up(output: np.ndarray, label: int) -> int:
    return int(np.where(np.arange(len(output)) == label, -np.inf, output).argmax())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _width(valid: tuple[float, float]) -> float:
    width = valid[1] - valid[0]
    return width if math.isfinite(width) else 1.0


def _model_digest(model: Model) -> str:
    """Of what is verified: operators, their parameters and how they are joined."""
    parts = []
    for node in model.graph.nodes:
        fixed = {k: v for k, v in vars(node.op).items() if not isinstance(v, torch.Tensor) and not callable(v)}
        parts.append(f"{node.name} {node.op.label} {node.inputs} {node.shape} {sorted(fixed.items())}".encode())
        parts += [v.cpu().contiguous().numpy().tobytes() for v in vars(node.op).values() if isinstance(v, torch.Tensor)]
    return digest(parts)
