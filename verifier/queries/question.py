"""A query as our one question, in batches: over each of its boxes, is some row of every clause positive?

The query asks for an assignment that makes its assertions true; the property is that there is none. Every case of the
assertions is a box and comparisons: the property denies one of them at least, a clause. Cases with the same box are
clauses of one question; questions whose clauses have the same form, and the same inputs tied, are a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from verifier.formats.vnnlib.query import Query
from verifier.model import Model
from verifier.problem import Problem
from verifier.properties.cases import Case, Cases, Range, cases
from verifier.properties.expression import Entry
from verifier.properties.possible import possible
from verifier.queries.boxes import Base, Boxes
from verifier.queries.columns import exposed
from verifier.queries.networks import Joint, files, load
from verifier.queries.rows import NEVER, Column, Row, columns, denied, specification
from verifier.queries.ties import Tied, mentioned, untied

MOST = 2**24  # entries of rows over a whole output; beyond, only what is mentioned becomes a column


@dataclass(frozen=True, eq=False)
class Question:
    """A batch. `meant[i]` are the exact values of inputs of question `i` for which a neighbour was admitted, `opened`
    ends `(2, N)` that an input lacks there, `real` whether it is one of real numbers, so that no proof is possible.
    `joint` tells which declared inputs read which of the problem's."""

    joint: Joint
    problem: Problem
    meant: Sequence[Mapping[int, Fraction]]
    opened: np.ndarray
    real: bool

    def select(self, index: Sequence[int]) -> "Question":
        problem = self.problem.select(torch.tensor(list(index)))
        return replace(self, problem=problem, meant=[self.meant[i] for i in index])


@dataclass(frozen=True, eq=False)
class Questions:
    """All of a query, and its networks on inputs of their own. Not `complete`: disjunctions were too many, so that a
    witness of these may be none of the query; none at all: the assertions contradict each other."""

    joint: Joint
    batches: tuple[Question, ...]
    complete: bool


def questions(query: Query, given: Mapping[str, str | Path]) -> Questions:
    """Load the networks and transform the query.

    Raises:
        InputError: files do not fit the query.
        UnsupportedModel, InvalidModel: of a file.
    """
    inputs = {v.name for network in query.networks for v in network.inputs}
    base = Base(query)
    found = Cases(()) if base.contradictory() else cases(query.assertions, inputs, base)
    tied = [t for t in untied(found.cases, query, files(query, given), base) if possible(t.case, inputs, base)]
    joint = load(query, given, mentioned([t.case for t in tied]) - inputs)
    groups: dict[object, list[Tied]] = {}
    for one in tied:
        groups.setdefault(frozenset(one.ties.items()), []).append(one)
    batches = [b for same in groups.values() for b in _of_ties(query, joint.tie(same[0].ties), [t.case for t in same])]
    return Questions(joint, tuple(batches), found.complete)


def _of_ties(query: Query, joint: Joint, found: Sequence[Case]) -> list[Question]:
    """The batches of cases in which the same inputs are tied."""
    boxes = Boxes(query, joint)
    if boxes.whole.empty:
        return []
    rows = [[denied(comparison) for comparison in case.rows] or [NEVER] for case in found]
    model, place = output(joint, rows, mentioned(found))
    batches = [_batch(group, model, place, boxes) for group in _groups(found, rows)]
    return [b for b in batches if b is not None]


def output(joint: Joint, rows: Sequence[Sequence[Row]], compared: set[str]) -> tuple[Model, Mapping[Column, int]]:
    """The model over which the rows are linear, and the places of their columns in its flattened output.

    A single network of which one tensor is compared stays as it was loaded.
    """
    needed = columns(row for clause in rows for row in clause)
    if len(joint.parts) == 1 and not joint.tied and len(compared) <= 1 and not compared & set(joint.inputs):
        (part,) = joint.parts
        size = int(torch.Size(part.model.graph.output_shape).numel())
        plain = all(len(monomial) == 1 and copy == 0 for monomial, copy in needed)
        if plain and size * sum(map(len, rows)) <= MOST:
            return part.model, {c: part.places[c[0][0].name] + c[0][0].index for c in needed}
    anything = (Entry(next(iter(joint.inputs)), 0),)
    model = exposed(joint, [monomial for monomial, _ in needed] or [anything])
    return model, {column: i for i, column in enumerate(needed)}


@dataclass(frozen=True, eq=False)
class _Asked:
    """One box and its clauses, in an order that depends on their form only."""

    box: Mapping[Entry, Range]
    clauses: list[Sequence[Row]]


def _groups(cases: Sequence[Case], rows: Sequence[Sequence[Row]]) -> list[list[_Asked]]:
    """Questions by the form of their clauses and by which ends are open."""
    boxes: dict[tuple[tuple[Entry, Range], ...], list[Sequence[Row]]] = {}
    for case, clause in zip(cases, rows, strict=True):
        key = tuple(sorted(case.box.items(), key=lambda item: item[0]))
        boxes.setdefault(key, []).append(clause)
    groups: dict[object, list[_Asked]] = {}
    for box, clauses in boxes.items():
        ordered = sorted(clauses, key=_form)
        ends = ((entry, r.least is None, r.greatest is None) for entry, r in box)
        opened = tuple(end for end in ends if any(end[1:]))
        groups.setdefault((tuple(map(_form, ordered)), opened), []).append(_Asked(dict(box), ordered))
    return list(groups.values())


def _form(clause: Sequence[Row]) -> tuple[bool, ...]:
    return tuple(row.closed for row in clause)


def _batch(group: list[_Asked], model: Model, place: Mapping[Column, int], boxes: Boxes) -> Question | None:
    region, meant, kept = boxes.of([asked.box for asked in group])
    if not kept:
        return None
    asked = specification([group[i].clauses for i in kept], place, model.graph.output_shape)
    opened, real = boxes.unbounded(group[0].box)
    return Question(boxes.joint, Problem(model, region, asked), meant, opened, real)
