"""What searches proved, kept for a certificate: questions, slopes, and trees (`growth.py`).

Recording decides nothing: the checker (`verifier.certificates`) computes everything again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from verifier.bounding.notes import Notes
from verifier.certificates.check import digest
from verifier.certificates.file import save
from verifier.certificates.operators import without_rule
from verifier.complete.growth import LIMIT, Activations, Inputs, Sweep
from verifier.complete.written import noted
from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.regions import Box

TOO_LARGE = "its proof takes more than {} MiB"


@dataclass(eq=False)
class Recorder:
    """Collects the proofs of a run. `missing` says why a verified question has none."""

    limit: int = LIMIT
    entries: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    proved: int = 0
    known: dict[int, tuple[Graph, str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Questions, with and without a certificate."""
        return self.proved + len(self.missing)

    def bounds(self, problem: Problem, notes: Notes, index: Sequence[int]) -> None:
        """The questions at `index` of `problem` were proved by bounds alone. Slopes of rows belong to one question, and
        zonotopes of many take much memory."""
        alone = notes.starts or notes.rows or notes.symbols
        groups = [[i] for i in index] if alone else [list(index)] if index else []
        for group in groups:
            self._add(problem, group, notes, {"kind": "bounds", **noted(notes, group)})

    def activations(
        self, problem: Problem, notes: Notes, growth: Activations | None, sweeps: Sequence[Sweep] = ()
    ) -> None:
        """One question was proved by a tree over activations, after `sweeps` of sharpening, or at its root."""
        if growth is None:
            return self.bounds(problem, notes, [0])
        if growth.bytes + sum(sweep.bytes for sweep in sweeps) > self.limit:
            return self.skip(1, TOO_LARGE.format(self.limit >> 20))
        proof = {"kind": "activations", **noted(notes, [0])}
        sharpened = {"sharpened": [sweep.written() for sweep in sweeps]} if sweeps else {}
        return self._add(problem, [0], notes, proof | sharpened | {"search": growth.written()})

    def inputs(self, problem: Problem, growth: Inputs, index: Sequence[int]) -> None:
        """The questions at `index` were proved by a tree of boxes."""
        if index:
            self._add(problem, list(index), growth.notes, {"kind": "inputs", **growth.written(index)})

    def skip(self, count: int, reason: str) -> None:
        """`count` verified questions have no certificate."""
        self.missing += [reason] * count

    def save(self, path: str | Path, model: str | Path) -> None:
        """Write all proofs, about the network in the file `model`."""
        save(path, {"model": digest(model), "entries": self.entries})

    def _unsupported(self, graph: Graph) -> str:
        if id(graph) not in self.known:
            self.known[id(graph)] = graph, without_rule(graph)
        return self.known[id(graph)][1]

    def _add(self, problem: Problem, index: list[int], notes: Notes, proof: dict[str, Any]) -> None:
        reason = notes.unsupported or self._unsupported(problem.model.graph)
        reason = reason or ("" if isinstance(problem.region, Box) else "only boxes have certificates yet")
        if not reason and _bytes(proof) > self.limit:
            reason = TOO_LARGE.format(self.limit >> 20)
        if reason:
            return self.skip(len(index), reason)
        self.entries.append({**question(problem.select(torch.tensor(index))), "proof": proof})
        self.proved += len(index)
        return None


def question(problem: Problem) -> dict[str, Any]:
    """As the checker asks it: `B` boxes, and rows at a node of the file's graph."""
    box, spec = problem.region.box(), problem.specification
    return {
        "output": problem.model.graph.output,
        "rewritten": int(problem.model.graph.rewritten),
        "lower": flat(box.lower.double(), 1).numpy(),
        "upper": flat(box.upper.double(), 1).numpy(),
        "rows": flat(spec.rows.double(), 2).numpy(),
        "offset": spec.offset.double().numpy(),
        "clause": np.array(spec.clause),
        "closed": np.array(spec.closed, dtype=bool),
    }


def _bytes(value: Any) -> int:
    match value:
        case np.ndarray():
            return value.nbytes
        case dict():
            return sum(map(_bytes, value.values()))
        case list():
            return sum(map(_bytes, value))
    return 0
