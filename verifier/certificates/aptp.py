"""Trees of ReLU splits in the notation of APTP (NeurIPS 2025), for other checkers: VNN-LIB text with `declare-pwl` for
each neuron that was split and the leaves as one disjunction of conjunctions.

Multipliers and slopes have no place in it: whoever reads it bounds every leaf anew. A comment says which entry of which
node the input of each `N_i` is, counted from zero in the flattened tensor. A file is about one clause of one question.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from verifier.certificates.check import Accepted, Question
from verifier.certificates.file import Reader, load
from verifier.certificates.tree import Tree, read
from verifier.errors import InputError
from verifier.graph.ops.activation import Relu
from verifier.graph.passes.mirrored import BENT


def write(path: str | Path, certificate: str | Path, accepted: Sequence[Accepted]) -> list[Path]:
    """Write every clause that a tree proves; a number is put behind the name where there are several.

    Raises:
        InputError: a proof is no tree of ReLU splits.
    """
    texts = []
    for part, one in zip(load(certificate)["entries"].list(), accepted, strict=True):
        if one.kind == "activations":
            texts += list(trees(one.question, part["proof"]["search"]))
        elif one.kind == "inputs":
            raise InputError(f"{part.where} cuts inputs; APTP knows only splits of neurons")
    if not texts:
        raise InputError(f"{certificate} has no tree: its questions were proved by bounds")
    names = [Path(path) if len(texts) == 1 else Path(f"{path}.{i}") for i in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        try:
            name.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{name} can't be written: {error.strerror or error}") from error
    return names


def trees(question: Question, search: Reader) -> Iterator[str]:
    """The text of each clause's tree."""
    names = [(s["name"].text(), i) for s in search["sites"].list() for i in s["entries"].array("i", -1).tolist()]
    clauses = search["clauses"].array("i", -1)
    tree = read(search["tree"], len(clauses), len(names))
    for root, clause in enumerate(clauses.tolist()):
        leaves = list(_leaves(tree, root))
        used = sorted({place for leaf in leaves for place, _ in leaf})
        for place in used:
            _check(question, names[place][0])
        if (tree.point[tree.place >= 0] != 0).any():
            raise InputError(f"{search.where}: a cut is not at zero; APTP knows only splits of ReLUs")
        yield "\n".join(_text(question, clause, leaves, {place: names[place] for place in used})) + "\n"


def _check(question: Question, name: str) -> None:
    readers = [node for node in question.graph.nodes if name in node.inputs]
    if not any(isinstance(node.op, Relu) for node in readers):
        raise InputError(f"{name} is cut, but no ReLU reads it; APTP knows only splits of ReLUs")
    if question.graph.rewritten and name.endswith(BENT):
        raise InputError(f"{name} is cut, a part of a node of the file; APTP knows only whole ones")


def _leaves(tree: Tree, root: int) -> Iterator[tuple[tuple[int, bool], ...]]:
    """The splits that lead to each leaf: the place, and whether it is active."""
    waiting: list[tuple[int, tuple[tuple[int, bool], ...]]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        place = int(tree.place[node])
        if place < 0:
            yield path
        else:
            waiting.append((int(tree.at_least[node]), (*path, (place, True))))
            waiting.append((int(tree.at_most[node]), (*path, (place, False))))


def _text(
    question: Question,
    clause: int,
    leaves: Sequence[tuple[tuple[int, bool], ...]],
    used: dict[int, tuple[str, int]],
) -> Iterator[str]:
    number = {place: i for i, place in enumerate(used)}
    yield f"; a proof by {len(leaves)} leaves; the property's negation, about the node {question.graph.output}"
    yield from (f"(declare-const X_{i} Real)" for i in range(question.lower.shape[1]))
    yield from (f"(declare-const Y_{i} Real)" for i in range(question.rows.shape[2]))
    for place, (name, entry) in used.items():
        yield f"(declare-pwl N_{number[place]} ReLU) ; of {name}, entry {entry}"
    for i, (low, high) in enumerate(zip(question.lower[0], question.upper[0], strict=True)):
        yield f"(assert (>= X_{i} {_number(low)}))"
        yield f"(assert (<= X_{i} {_number(high)}))"
    for s in np.flatnonzero(question.clause == clause).tolist():
        terms = " ".join(f"(* {_number(c)} Y_{i})" for i, c in enumerate(question.rows[s, 0]) if c)
        sign = "<" if question.closed[s] else "<="
        yield f"(assert ({sign} (+ 0.0 {terms}) {_number(-question.offset[s, 0])}))"
    if used:
        yield "(assert (or"
        for leaf in leaves:
            splits = " ".join(f"({'>=' if active else '<'} N_{number[place]} 0)" for place, active in leaf)
            yield f"  (and {splits})"
        yield "))"


def _number(x: float) -> str:
    """All digits, without an exponent."""
    text = format(Decimal(float(x)), "f")
    return text if "." in text else f"{text}.0"
