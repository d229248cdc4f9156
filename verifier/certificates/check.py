"""Is a certificate a proof? Everything that it proposes is computed again; a claim counts as far as that bears it out,
and no further (`refined.py`)."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from verifier.certificates.activations import Leaves
from verifier.certificates.affine import size
from verifier.certificates.bounds import Recipe
from verifier.certificates.file import Reader, load
from verifier.certificates.inputs import Asked, Forest
from verifier.certificates.networks import Networks
from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.operators import Network
from verifier.certificates.sharpened import Sweep
from verifier.errors import Rejected, UnsupportedModel
from verifier.graph.graph import Graph
from verifier.graph.ops.opaque import Batchwise
from verifier.graph.ops.shape import Reshape
from verifier.graph.ops.softmax import Differences, Softmax


@dataclass(frozen=True, eq=False)
class Question:
    """`B` questions with a common form: over the box `lower`, `upper (B, n)` some row of every clause is positive at
    `graph`'s output, or not negative where the row is `closed`. `rows (S, B, m)`, `offset (S, B)`."""

    graph: Graph
    lower: Array
    upper: Array
    rows: Array
    offset: Array
    clause: Array
    closed: Array


@dataclass(frozen=True)
class Accepted:
    """What was proved: questions and how, and the number of leaves of all trees."""

    question: Question
    kind: str
    leaves: int


def digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check(certificate: str | Path, model: str | Path, graph: Graph, exact: bool = False) -> Iterator[Accepted]:
    """Prove every question of the file again, on `graph` as it was read from `model`.

    Raises:
        Rejected: something is not proved; says what and where.
        InputError: the file is no certificate.
        UnsupportedModel: the checker lacks a rule.
    """
    if exact and graph.rounded:
        raise UnsupportedModel(
            f"no fractions: parameters of {', '.join(graph.rounded[:3])} were rounded when {model} was read "
            "(a batch norm, a resize, constants of constants); check without --exact"
        )
    reader = load(certificate)
    if reader["model"].text() != digest(model):
        raise Rejected(f"{certificate} is about another file than {model} (its SHA-256 differs)")
    networks = Networks(graph, Numbers(exact))
    for part in reader["entries"].list():
        network = networks.of(part)
        question = asked(part, graph, network.graph)
        try:
            yield prove(question, part["proof"], network)
        except (LookupError, TypeError, ValueError) as error:  # arrays that do not fit each other: no proof, certainly
            raise Rejected(f"{part.where}: the proof does not fit the question: {error}") from error


def asked(part: Reader, whole: Graph, graph: Graph) -> Question:
    """The question of an entry about `graph`, a part of the `whole` network, as far as that can be asked of it."""
    output = graph.output
    lower = part["lower"].array("f", -1, size(graph.input.shape))
    upper = part["upper"].array("f", *lower.shape)
    rows = part["rows"].array("f", -1, len(lower), size(graph.output_shape))
    offset = part["offset"].array("f", *rows.shape[:2])
    clause, closed = part["clause"].array("i", len(rows)), part["closed"].array("b", len(rows))
    if not len(lower) or (lower > upper).any():
        raise part.wrong("a box is empty")
    numbers = np.unique(clause)  # a range up to the greatest number would take any memory that a file asks for
    if not len(clause) or not np.array_equal(numbers, np.arange(len(numbers))):
        raise part.wrong("clauses must be numbered from 0 without gaps")
    if output != whole.output and not (_is_softmax_of(whole, output) and _compares(rows, offset)):
        raise Rejected(f"{part.where}: it is about the node {output}, which is not the network's output")
    return Question(graph, lower, upper, rows, offset, clause, closed)


def prove(question: Question, proof: Reader, network: Network) -> Accepted:
    """Raises `Rejected` where the proof does not prove the question."""
    with np.errstate(all="ignore"):  # what overflows is no number, and proves nothing
        arrays = question.lower, question.upper, question.rows, question.offset
        lower, upper, rows, offset = map(network.numbers.array, arrays)
        kind, relevant = proof["kind"].text(), network.relevant(rows)
        match kind:
            case "inputs":
                count = int(proof["boxes"]["bounded"].array("b", -1).sum())
                asked = Asked(rows, offset, question.clause, question.closed)
                recipe = Recipe(network, proof, count, relevant)
                forest = Forest(recipe, proof["boxes"], len(lower), lower.shape[1], asked)
                for i, low, high in forest.unproved(lower, upper)[:1]:
                    raise Rejected(f"{proof.where}: question {i} is open in the box {_short(low)} to {_short(high)}")
                return Accepted(question, kind, int((forest.tree.place < 0).sum()))
            case "bounds" | "activations":
                recipe = Recipe(network, proof, len(lower), relevant)
                table = recipe.table(lower, upper)
                best = recipe.bounded(table, rows, offset)[2]
                holds = (best > 0) | (question.closed[:, None] & (best >= 0))
                clauses = int(question.clause.max()) + 1
                open_ = np.stack([~holds[question.clause == k].any(0) for k in range(clauses)])
                if kind == "bounds":
                    return _closed(question, proof, open_, best)
                if len(lower) != 1 or recipe.level:
                    raise proof.wrong("a tree of activations belongs to one question, and to linear bounds")
                for part in proof["sharpened"].list() if "sharpened" in proof else ():
                    table = Sweep(network, part, relevant).after(table)
                leaves = Leaves(table, proof["search"], question.graph.output, clauses)
                return _leaves(question, proof, leaves, open_, rows, offset)
    raise proof.wrong(f"there is no proof of kind {kind}")


def _closed(question: Question, proof: Reader, open_: Array, best: Array) -> Accepted:
    for k, i in zip(*np.nonzero(open_), strict=True):
        bound = float(best[question.clause == k, i].max())
        raise Rejected(f"{proof.where}: clause {k} of question {i} is not proved: its bound is {bound:.6g}")
    return Accepted(question, "bounds", 0)


def _leaves(question: Question, proof: Reader, leaves: Leaves, open_: Array, rows: Array, offset: Array) -> Accepted:
    """Clauses that the root leaves open need a tree each."""
    missing = set(np.flatnonzero(open_[:, 0]).tolist()) - set(leaves.clauses.tolist())
    if missing:
        raise Rejected(f"{proof.where}: clause {min(missing)} is neither proved at the root nor has a tree")
    failed = leaves.unproved(rows[:, 0], offset[:, 0], question.clause, question.closed)
    for clause, depth, bound in failed[:1]:
        raise Rejected(
            f"{proof.where}: {len(failed)} of {len(leaves.leaf)} leaves are not proved; one of clause {clause} at "
            f"depth {depth} has the bound {bound:.6g}"
        )
    return Accepted(question, "activations", len(leaves.leaf))


def _is_softmax_of(graph: Graph, output: str) -> bool:
    """Does the network end in a softmax over all entries of `output`? Softmax keeps their order."""
    last = graph.by_name[graph.output]
    while isinstance(last.op, Reshape):
        last = graph.by_name[last.inputs[0]]
    op = last.op
    if isinstance(op, Softmax):
        before = graph.by_name[last.inputs[0]]
        whole = isinstance(before.op, Differences) and last.shape[-1] == math.prod(last.shape)
        return whole and before.inputs == (output,)
    if not (isinstance(op, Batchwise) and isinstance(op.function, partial) and last.inputs == (output,)):
        return False
    dim = op.function.keywords.get("dim", 0)
    named = getattr(op.function.func, "__name__", "") in ("softmax", "log_softmax")
    return named and -len(last.shape) <= dim < 0 and last.shape[dim] == math.prod(last.shape)


def _compares(rows: Array, offset: Array) -> bool:
    """Is every row a positive multiple of one entry minus another?"""
    return bool((((rows != 0).sum(2) == 2) & (rows.sum(2) == 0)).all() and not (offset != 0).any())


def _short(x: Array) -> str:
    values = [f"{float(v):.6g}" for v in x[:4]]
    return f"({', '.join(values)}{', ...' if len(x) > 4 else ''})"
