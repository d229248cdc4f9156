"""`verify model.onnx --property p.vnnlib`."""

import json
import subprocess
import sys

import pytest

TEXT = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
(assert (>= X_0 0)) (assert (<= X_0 1)) (assert (>= X_1 0)) (assert (<= X_1 1))
(assert (>= Y_0 {}))
"""


@pytest.fixture
def asked(network, tmp_path):
    model = network((1, 2), [[2, 0], [0, 3]])

    def write(threshold):
        path = tmp_path / "p.vnnlib"
        path.write_text(TEXT.format(threshold))
        return [model, "--property", path]

    return write


def test_verified(command, asked):
    code, out, _ = command(*asked(2.5))
    assert code == 0
    assert out.startswith("verified (unsat)")
    assert "0.5" in out


def test_falsified_with_its_witness(command, asked, tmp_path):
    code, out, _ = command(*asked(1.5), "--json", tmp_path / "r.jsonl")
    assert code == 1
    assert out.startswith("falsified (sat)")
    record = json.loads((tmp_path / "r.jsonl").read_text())
    x, y = record["assignment"]["X"], record["assignment"]["Y"]
    assert record["verdict"] == "falsified"
    assert y == pytest.approx([2 * x[0], 3 * x[1]])
    assert y[0] >= 1.5


def test_json_alone_on_stdout(command, asked):
    code, out, err = command(*asked(2.5), "--json", "-")
    assert (code, json.loads(out)["verdict"]) == (0, "verified")
    assert "verified" in err


def test_networks_by_name(command, asked):
    model, *words = asked(2.5)
    assert command(*words, "--network", f"N={model}")[0] == 0
    assert command(*words, "--network", f"M={model}")[0] == 2


@pytest.mark.parametrize(
    "more", [["--eps", "0.1"], ["--inputs", "x.npy"], ["--network", "N=m.onnx"], ["--max-eps"], ["--csv", "r.csv"]]
)
def test_options_that_do_not_go_together(command, asked, more):
    code, out, err = command(*asked(2.5), *more)
    assert (code, out) == (2, "")
    assert "property" in err


def test_a_property_that_does_not_fit(command, network, asked):
    code, out, err = command(network((1, 3), [[1, 0, 0], [0, 1, 0]], "other.onnx"), *asked(2.5)[1:])
    assert (code, out) == (2, "")
    assert "2 inputs" in err
    assert "3" in err


def test_a_place_that_takes_no_results_is_found_before_the_work(command, asked, tmp_path):
    for path in (tmp_path, tmp_path / "absent" / "r.jsonl"):
        code, out, err = command(*asked(2.5), "--json", path)
        assert (code, out) == (2, "")
        assert f"{path} can't be written" in err


def test_check_of_a_directory_says_so(command, asked, tmp_path):
    code, out, err = command("check", tmp_path, asked(2.5)[0])
    assert (code, out) == (2, "")
    assert "is a directory" in err


def test_reading_the_property_counts_for_the_limit(command, asked, monkeypatch):
    """Files of hundreds of thousands of lines take seconds."""
    from verifier.formats.vnnlib import reader
    from verifier.queries import answer

    clock, read, limits = [0.0], reader.read, []

    def slow(path):
        clock[0] += 7
        return read(path)

    def decide(query, networks, settings, note):
        limits.append(settings.timeout)
        return answer.Answer("timed-out", None, 0.0, "", 0.0)

    monkeypatch.setattr("verifier.cli.property.monotonic", lambda: clock[0], raising=False)
    monkeypatch.setattr(reader, "read", slow)
    monkeypatch.setattr(answer, "answer", decide)
    assert command(*asked(2.5), "--timeout", "10")[0] == 3
    assert limits == [3.0]


def test_a_step_that_does_not_end_is_cut_off(asked):
    """No loop asks the time within a step; the process says so and ends by itself."""
    slow = (
        "import sys, time\nfrom verifier.formats.vnnlib import reader\nreader.read = lambda path: time.sleep(60)\n"
        "from verifier.cli.main import main\nmain(sys.argv[1:])"
    )
    words = [sys.executable, "-c", slow, *map(str, asked(2.5)), "--timeout", "0.5", "--json", "-"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["answer"] == "timed-out"
    assert "did not end" in ended.stderr
