"""Queries mean what other readings of their text mean: the standard's own parser, and a plain second one."""

import gzip
import random
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simple_vnnlib import SimpleQuery
from vnnlib_agreement import disagreements, holds, points
from vnnlib_random import RandomQuery, official_truth

from verifier.formats.vnnlib.query import Query
from verifier.formats.vnnlib.reader import parse
from verifier.formats.vnnlib.upgrade import upgrade
from verifier.properties.expression import Entry

SHARED = Path(__file__).resolve().parents[4] / "shared" / "vnncomp"
FILES = sorted(SHARED.glob("*/vnnlib/*.vnnlib.gz"))
SAMPLE = [file for file in FILES[::23] if file.stat().st_size < 20_000]


def at_points(query: Query, seed: int, count: int = 20) -> list[dict[Entry, Fraction]]:
    """Half of them near the bounds, half of small round numbers."""
    rng = random.Random(seed)
    first, *changes = points(query, count, rng)
    rounds = [{e: Fraction(rng.randint(-4, 4), 2) for e in first} for _ in range(count)]
    return [first, *(first | change for change in changes), *rounds]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_as_the_official_parser(seed: int) -> None:
    vnnlib = pytest.importorskip("vnnlib")
    text = RandomQuery(random.Random(seed)).text
    official, query = vnnlib.parse_query_string(text), parse(text)
    for at in at_points(query, seed):
        plain = {(e.name, e.index): value for e, value in at.items()}
        assert holds(query, at) == all(official_truth(a.expr, plain) for a in official.assertions)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_as_the_plain_reading_and_written_again(seed: int) -> None:
    text = RandomQuery(random.Random(seed)).text
    query = parse(text)
    simple, again = SimpleQuery(text), parse(upgrade(query))
    assert again.networks == query.networks
    assert (again.least, again.greatest) == (query.least, query.greatest)
    for at in at_points(query, seed):
        plain = {(e.name, e.index): value for e, value in at.items()}
        assert holds(query, at) == holds(again, at) == all(simple.holds(tree, plain) for tree in simple.assertions)


def test_random_queries_are_true_and_false() -> None:
    """Otherwise the comparisons above would compare nothing."""
    seen = set()
    for seed in range(50):
        query = parse(RandomQuery(random.Random(seed)).text)
        seen |= {(seed % 2, holds(query, at)) for at in at_points(query, seed)}
    assert len(seen) == 4


@pytest.mark.skipif(not SAMPLE, reason="no benchmark files beside the repository")
@pytest.mark.parametrize("file", SAMPLE, ids=lambda file: f"{file.parent.parent.name}/{file.name}")
def test_files_as_the_plain_reading_and_as_2_0(file: Path) -> None:
    vnnlib = pytest.importorskip("vnnlib")
    text = gzip.decompress(file.read_bytes()).decode()
    query = parse(text)
    wrong, seen = disagreements(text, query, 100)
    assert wrong == []
    assert seen == {True, False}
    newer = upgrade(query)
    again = parse(newer)
    assert again.version == "2.0"
    assert (again.networks, again.least, again.greatest) == (query.networks, query.least, query.greatest)
    assert disagreements(text, again, 100)[0] == []
    assert len(vnnlib.parse_query_string(newer).assertions) >= len(query.assertions)


def test_disagreement_is_seen() -> None:
    """A wrong reading, as a check of the comparison itself."""
    text = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))(assert (or (<= Y_0 {}) (<= Y_0 0)))"
    for other in (text.format("3").replace("<= X_0 1", "<= X_0 2"), text.format("2.999999")):
        assert disagreements(text.format("3"), parse(other), 200)[0]


@pytest.mark.parametrize(
    "assertion",
    [
        "(<= X_0 1e-30)",
        "(<= X_0 -1E3)",
        "(<= (* 3 X_0) 1)",
        "(< (* 1e-3 X_0 Y_0) (+ Y_0 -0.0))",
        "(=> (<= X_0 1) (and (= Y_0 2) (!= X_0 0)))",
        "(<= 1 0)",
        "(<= 0 1)",
    ],
)
def test_written_as_2_0(assertion: str) -> None:
    text = f"(declare-const X_0 Real)(declare-const Y_0 Real)(assert {assertion})"
    query = parse(text)
    newer = upgrade(query)
    assert "e" not in newer.split("(assert", 1)[1]
    assert disagreements(text, parse(newer), 100)[0] == []
    assert pytest.importorskip("vnnlib").parse_query_string(newer).assertions
