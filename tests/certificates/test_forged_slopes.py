"""Slopes and numbers of symbols are an attacker's: what a point refutes is never proved."""

import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from laws.certificates import recorded, resave, written
from laws.searches import Puzzle
from laws.strategies import examples

from verifier.bounding.methods import AlphaCrown, Method, Zonotope
from verifier.certificates.check import check
from verifier.errors import Rejected
from verifier.numerics import flat

CURVED = (
    "sigmoid",
    "tanh",
    "square",
    "cube",
    "sin",
    "gelu",
    "exp",
    "standardise",
    "shares",
    "choice",
    "floor",
    "wrap",
    "round",
)
ODD = (0.0, 1e-300, -1e-9, 0.3, -2.0, 1e9, -1e150, 1e308)


@st.composite
def puzzles(draw: st.DrawFn) -> Puzzle:
    return Puzzle(
        shape=draw(st.sampled_from(((2,), (4,)))),
        layers=("linear", draw(st.sampled_from(CURVED)), "linear", draw(st.sampled_from((*CURVED, "relu")))),
        seed=draw(st.integers(0, 10**6)),
        scale=draw(st.sampled_from((0.5, 1.0, 2.0))),
        region=draw(st.sampled_from(("linf", "point"))),
        size=draw(st.sampled_from((0.05, 0.3))),
        clause=(0,),
        closed=(False,),
        margin=0.5,
        batch=1,
    )


def forged(value: Any, gen: np.random.Generator) -> Any:
    """Other slopes, as numbers and as bytes, and other numbers of symbols."""
    if isinstance(value, int):
        return int(gen.integers(-2, 12))
    if isinstance(value, dict):
        return {key: forged(x, gen) for key, x in value.items()}
    if isinstance(value, list):
        return [forged(x, gen) for x in value]
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and gen.random() < 0.7:
        return gen.choice(ODD, value.shape) * gen.random(value.shape)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return gen.integers(0, 256, value.shape).astype(np.uint8)
    return value


def refuted(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Offsets by which the best of the points breaks every row: `(S, 1)`."""
    value = y @ rows[:, 0].T
    worst = value.max(1).argmin()
    return -value[worst][:, None] - 1e-9 * (1 + abs(value[worst][:, None]))


@given(puzzle=puzzles(), seed=st.integers(0, 10**6), method=st.sampled_from((AlphaCrown(steps=2), Zonotope(symbols=6))))
@examples(80)
def test_no_slopes_prove_what_is_false(puzzle: Puzzle, seed: int, method: Method) -> None:
    gen, asked = np.random.default_rng(seed), puzzle.problem()
    spec = asked.specification
    recorder, _ = recorded(replace(asked, specification=replace(spec, offset=spec.offset + 1e6)), method)
    if not recorder.entries:
        return
    entry = copy.deepcopy(recorder.entries[0])
    share = np.concatenate(
        [gen.integers(0, 2, (32, entry["lower"].shape[1])), gen.random((32, entry["lower"].shape[1]))]
    )
    x = np.clip(entry["lower"] * (1 - share) + entry["upper"] * share, entry["lower"], entry["upper"])
    graph = asked.model.graph
    y = flat(graph.until(entry["output"])(torch.from_numpy(x).reshape(-1, *graph.input.shape)), 1).numpy()
    entry["offset"] = refuted(y, entry["rows"])
    with TemporaryDirectory() as folder:
        certificate, model = written(recorder, Path(folder))
        for part in ("standard", "starts", "rows", "symbols"):
            for chosen in (entry["proof"], {**entry["proof"], part: forged(entry["proof"][part], gen)}):
                resave([{**entry, "proof": chosen}], certificate, model)
                with pytest.raises(Rejected):
                    list(check(certificate, model, graph))
