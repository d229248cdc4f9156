"""Laws of certificates: what is proved is accepted, and what is accepted is true."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from verifier.batch import Settings, run
from verifier.bounding.methods import Method
from verifier.certificates.bounds import Recipe
from verifier.certificates.check import Accepted, check, digest
from verifier.certificates.file import load, save
from verifier.certificates.numbers import Numbers
from verifier.certificates.operators import Network
from verifier.certificates.table import Table
from verifier.complete.record import Recorder
from verifier.complete.search import Search
from verifier.errors import InputError, Rejected
from verifier.graph.graph import Graph
from verifier.numerics import flat
from verifier.problem import Problem
from verifier.verdict import Verified

WITHOUT = {"a leaf was closed by an LP"}  # why a verified question may lack a certificate
MODEL = b"any bytes: a certificate names the file by its digest"


def recorded(problem: Problem, stage: Method | Search, seconds: float = 4.0) -> tuple[Recorder, list[int]]:
    """What a stage proves, and which questions."""
    recorder = Recorder()
    settings = Settings((stage,), timeout=seconds, record=recorder)
    proved = [answer.index for answer in run(problem, settings) if isinstance(answer.verdict, Verified)]
    return recorder, sorted(proved)


def written(recorder: Recorder, folder: Path) -> tuple[Path, Path]:
    """The certificate, and a file that stands for the model."""
    model, certificate = folder / "model.bin", folder / "certificate.zip"
    model.write_bytes(MODEL)
    recorder.save(certificate, model)
    return certificate, model


def accepted(recorder: Recorder, graph: Graph, folder: Path, exact: bool = False) -> list[Accepted]:
    """What the checker makes of it; raises where it rejects."""
    certificate, model = written(recorder, folder)
    return list(check(certificate, model, graph, exact))


def law_accepted(
    problem: Problem, stage: Method | Search, folder: Path, exact: bool = False, seconds: float = 4.0
) -> int:
    """Every verified question is in the certificate, and the checker proves it again. Returns how many."""
    recorder, proved = recorded(problem, stage, seconds)
    assert recorder.count == len(proved)
    assert set(recorder.missing) <= WITHOUT
    if not recorder.proved:
        return 0
    found = accepted(recorder, problem.model.graph, folder, exact)
    assert sum(len(one.question.lower) for one in found) == recorder.proved
    return recorder.proved


def law_true(found: list[Accepted], seed: int = 0) -> None:
    """No accepted question is refuted by a point of its box."""
    gen = np.random.default_rng(seed)
    for one in found:
        q = one.question
        for i in range(len(q.lower)):
            low, high = q.lower[i], q.upper[i]
            share = gen.integers(0, 3, (64, len(low))) / 2.0
            x = torch.from_numpy(np.clip(low * (1 - share) + high * share, low, high))
            y = flat(q.graph(x.reshape(-1, *q.graph.input.shape)), 1).numpy()
            value = y @ q.rows[:, i].T + q.offset[:, i]
            size = abs(y) @ abs(q.rows[:, i]).T + abs(q.offset[:, i]) + 1
            for k in range(int(q.clause.max()) + 1):
                assert ((value + 1e-9 * size)[:, q.clause == k] > 0).any(1).all()


def entry(recorder: Recorder) -> dict[str, Any]:
    """The only question that was proved."""
    (only,) = recorder.entries
    return only


def resave(entries: list[dict[str, Any]], certificate: Path, model: Path) -> None:
    """Write entries that were tampered with."""
    save(certificate, {"model": digest(model), "entries": entries})


def law_rejected(graph: Graph, recorder: Recorder, lie: Callable[[dict[str, Any]], None], folder: Path) -> None:
    """A certificate that was tampered with is no proof."""
    certificate, model = written(recorder, folder)
    forged = copy.deepcopy(entry(recorder))
    lie(forged)
    resave([forged], certificate, model)
    with pytest.raises((Rejected, InputError)):
        list(check(certificate, model, graph))


def easy(asked: Problem) -> Problem:
    """The same question with an offset that makes it easy."""
    return replace(asked, specification=replace(asked.specification, offset=asked.specification.offset + 1e6))


def table_of(graph: Graph, entry: dict[str, Any]) -> Table:
    """The checker's own, by what an entry proposes."""
    with TemporaryDirectory() as folder:
        save(Path(folder) / "c.zip", entry["proof"])
        proof = load(Path(folder) / "c.zip")
    with np.errstate(all="ignore"):  # as the checker does
        network = Network(graph, Numbers())
        recipe = Recipe(network, proof, len(entry["lower"]), network.relevant(entry["rows"]))
        return recipe.table(entry["lower"], entry["upper"])
