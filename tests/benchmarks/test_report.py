"""Arithmetic of the report, who is wrong, and the pictures."""

import csv
import random
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from compete import cactus, peers, report
from compete.judge import Judged, judge
from fakes import record

A, B, C, D, E, F = (
    record("ours", "a", "unsat", 2.0, expected="unsat"),
    record("ours", "b", "sat", 4.0, expected="sat", witness="valid"),
    record("ours", "c", "unsat", 1.0, expected="sat"),
    record("ours", "d", "timeout", 65.0),
    record("ours", "e", "error", 0.5, witness="invalid"),
    record("ours", "f", "unsat", 68.0, overrun=True),
)


def outcomes(results: list[Judged]) -> list[str]:
    return [r.outcome for r in results]


def test_outcomes_and_par2() -> None:
    results = judge([A, B, C, D, E, F], [])
    assert outcomes(results) == ["verified", "falsified", "wrong", "open", "invalid", "open"]
    *_, total = report.tallies(results)
    assert total.counts == (1, 1, 2, 0, 1, 1)
    assert total.median_s == 3.0
    assert total.par2_s == pytest.approx((2 + 4 + 4 * 120) / 6)


def test_a_peer_that_contradicts_settles_nothing_without_a_witness() -> None:
    peer = record("peer", "g", "sat")
    assert outcomes(judge([record("ours", "g", "unsat")], [peer])) == ["wrong", "wrong"]
    assert outcomes(judge([record("ours", "g", "unsat", expected="unsat")], [peer])) == ["verified", "wrong"]
    shown = record("ours", "g", "sat", witness="valid", expected="unsat")  # what is shown beats what was expected
    assert outcomes(judge([shown], [record("peer", "g", "unsat")])) == ["falsified", "wrong"]


def test_a_tolerated_witness_is_an_answer_but_refutes_nobody() -> None:
    near = record("ours", "g", "sat", witness="tolerated")
    assert outcomes(judge([near], [])) == ["falsified"]
    assert outcomes(judge([near], [record("peer", "g", "unsat")])) == ["wrong", "wrong"]
    assert outcomes(judge([record("ours", "g", "sat", witness="tolerated", expected="unsat")], [])) == ["wrong"]


def test_a_competition_disputes_nothing_and_other_instances_do_not_count() -> None:
    theirs = [record("old", "g", "sat"), record("old", "h", "sat")]
    results = judge([record("ours", "g", "unsat")], [], theirs)
    assert outcomes(results) == ["verified", "falsified"]
    assert report.summary(results).endswith("doubtful: digits  net.onnx  g  sat: old; unsat: ours")
    assert "doubtful" not in report.summary(judge([record("ours", "g", "sat")], [], theirs))


def test_the_best_of_a_peers_runs_counts(tmp_path: Path) -> None:
    file = tmp_path / "peers.csv"
    lines = ["tool,benchmark,onnx,vnnlib,verdict,wall_s,limit_s,sample,note"]
    for verdict, wall, sample in [("timeout", 1, "random"), ("unsat", 9, "picked"), ("unsat", 7, "picked")]:
        lines.append(f"peer,digits,net.onnx,a,{verdict},{wall},60,{sample},")
    file.write_text("\n".join(lines))
    assert [(r.verdict, r.wall_s) for r in peers.measured(file)] == [("unsat", 7.0)]
    assert [r.verdict for r in peers.measured(file, "random")] == ["timeout"]


def test_table_csv_and_order(tmp_path: Path) -> None:
    results = judge([A, B, C, D, E, F], [record("peer", "a", "unsat")])
    text = report.summary(results)
    assert [line.split()[:2] for line in text.splitlines()[1:]][:2] == [["digits", "ours"], ["peer", "1"]]
    assert "wrong: ours  digits  net.onnx  c  unsat" in text
    report.save(tmp_path / "table.csv", results)
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [(r["family"], r["tool"], r["verified"]) for r in rows] == [
        ("digits", "ours", "1"),
        ("digits", "peer", "1"),
        ("all", "ours", "1"),
        ("all", "peer", "1"),
    ]


def test_limits_that_differ_are_told() -> None:
    short = record("peer", "a", "unsat", limit=10.0)
    line = "limits differ, PAR-2 can't be compared: ours 60 s, peer 10 s"
    assert line in report.summary(judge([A], [short])).splitlines()
    assert "limits" not in report.summary(judge([A], [record("peer", "a", "unsat")]))


def test_versus_lists_differences_both_ways_and_slow_easy_ones() -> None:
    theirs = [
        record("peer", "a", "unsat", 3.0),  # ours took 2.0, more than half
        record("peer", "b", "sat", 9.0),  # ours took 4.0, less than half
        record("peer", "d", "unsat", 50.0),
        record("peer", "x", "unsat", 1.0),
    ]
    text = report.versus(judge([A, B, D, F], [*theirs, record("peer", "f", "timeout", 61.0)]), "ours", "peer")
    assert "on 4 instances" in text
    assert "solved by peer, not by ours: 1\n  digits  net.onnx  d  ours timeout 65.00 s, peer unsat 50.00 s" in text
    assert "solved by ours, not by peer: 0" in text
    assert "of 2 that peer solves in 10 s: 1\n  digits  net.onnx  a  ours unsat 2.00 s, peer unsat 3.00 s" in text


@pytest.mark.parametrize("most", [1, 5, 6, 7, 59, 60, 61, 82, 12345])
def test_ticks_reach_the_count(most: int) -> None:
    ticks = cactus.ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert len(ticks) <= 8


def test_the_plot_is_well_formed_and_its_steps_are_the_counts() -> None:
    rng = random.Random(3)
    own = [record("a<b & c", f"q{n}", "unsat", 10 ** rng.uniform(-3, 2)) for n in range(20)]
    beside = [record("none", f"q{n}", "timeout", 65.0) for n in range(5)]
    text = cactus.plot(judge(own, beside))
    tree = ElementTree.fromstring(text)
    labels = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a<b & c 20/20", "none 0/5"} <= set(labels)
    (path,) = [p.attrib["d"] for p in tree.iter("{http://www.w3.org/2000/svg}path") if "V" in p.attrib["d"]]
    x, y = ([float(v) for v in re.findall(rf"{axis}([\d.]+)", path)] for axis in "HV")
    assert len(x) == len(y) == 20
    assert x == sorted(x)
    assert y == sorted(y, reverse=True)
    assert all(0 < v < cactus.WIDTH for v in x)
    assert all(0 < v < cactus.HEIGHT for v in y)


def test_nothing_solved_is_a_plot_too() -> None:
    ElementTree.fromstring(cactus.plot(judge([D], [])))
    ElementTree.fromstring(cactus.plot([]))
