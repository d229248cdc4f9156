"""The command on small and on shipped networks: verdicts, files, errors, exit codes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verifier.batch import _Batch
from verifier.errors import InvalidModel
from verifier.plan import PLANS

MODELS = Path(__file__).parents[2] / "models"
CERTIFIED = MODELS / "mnist_dense_certified.onnx"
KEYS = {"index", "label", "verdict", "reason", "bound", "seconds", "method"}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def points(array):
    """Differences 0.4, -0.1 and 0.02, about: their largest radii are half of that."""
    return array([[0.7, 0.3], [0.45, 0.55], [0.51, 0.49]])


def test_shipped_model_and_sample(command):
    code, out, err = command(CERTIFIED, "--eps", "0.03", "--count", "3")
    assert code == 0
    assert ["verified", "3/3", "100.0", "%"] in [line.split() for line in out.splitlines()]
    assert "mnist, the sample that ships" in err


class TestVerdicts:
    def test_all_verified(self, command, pair, points, array):
        code, out, _ = command(pair, "--eps", "0.005", "--inputs", points)
        assert code == 0
        assert "labels are the model's own" in out

    def test_falsified_comes_with_a_witness(self, command, pair, points, tmp_path):
        file = tmp_path / "r.jsonl"
        code, out, _ = command(pair, "--eps", "0.1", "--inputs", points, "--json", file)
        assert code == 1
        records = {record["index"]: record for record in lines(file)}
        assert [records[k]["verdict"] for k in range(3)] == ["verified", "falsified", "falsified"]
        witness = np.load(records[1]["witness"])
        assert witness.shape == (1, 2)
        assert witness.dtype == np.float32
        assert np.abs(witness.astype(float) - np.load(points)[1].astype(float)).max() <= 0.1
        assert witness[0, 0] >= witness[0, 1]
        assert (records[1]["label"], records[1]["becomes"]) == (1, 0)
        assert "1 -> 0" in out

    def test_misclassified_and_ties(self, command, pair, array, tmp_path):
        x, y = array([[0.9, 0.1], [0.5, 0.5], [0.9, 0.1]]), tmp_path / "y.txt"
        y.write_text("1 0\n0")
        code, _, _ = command(pair, "--eps", "0.1", "--inputs", x, "--labels", y, "--json", tmp_path / "r.jsonl")
        assert code == 1
        records = {record["index"]: record["verdict"] for record in lines(tmp_path / "r.jsonl")}
        assert records == {0: "misclassified", 1: "misclassified", 2: "verified"}

    def test_unknown(self, command, pair, points):
        code, out, _ = command(pair, "--eps", "0.3", "--inputs", points, "--method", "attack", "--count", "1")
        assert code == 1
        code, out, _ = command(pair, "--eps", "0.1", "--inputs", points, "--method", "attack", "--count", "1")
        assert code == 3
        assert "loose" in out

    def test_one_failure_costs_one_input(self, command, pair, points, monkeypatch, tmp_path):
        usual = _Batch._bound

        def failing(self, method):
            if self.problem.region.box().lower[:, 0, 1].max() > 0.52:
                raise RuntimeError("the roof is on fire")
            return usual(self, method)

        monkeypatch.setattr(_Batch, "_bound", failing)
        code, out, _ = command(pair, "--eps", "0.005", "--inputs", points, "--json", tmp_path / "r.jsonl")
        assert code == 3
        records = {record["index"]: record for record in lines(tmp_path / "r.jsonl")}
        assert [records[k]["verdict"] for k in range(3)] == ["verified", "error", "verified"]
        assert "on fire" in records[1]["reason"]
        assert "on fire" in out

    def test_memory_is_unknown(self, command, pair, points, monkeypatch, tmp_path):
        def failing(self):
            raise MemoryError

        monkeypatch.setattr(_Batch, "answers", failing)
        assert command(pair, "--eps", "0.005", "--inputs", points, "--json", tmp_path / "r.jsonl")[0] == 3
        assert {(r["verdict"], r["reason"]) for r in lines(tmp_path / "r.jsonl")} == {("unknown", "memory")}

    @pytest.mark.parametrize("norm", ["inf", "2", "1"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_norms_and_dtypes(self, command, pair, points, norm, dtype):
        exact = {"inf": 0.2, "2": 0.4 / 2**0.5, "1": 0.4}[norm]
        words = ("--inputs", points, "--norm", norm, "--dtype", dtype, "--count", "1")
        assert command(pair, "--eps", exact * 0.99, *words)[0] == 0
        assert command(pair, "--eps", exact * 1.01, *words)[0] == 1

    def test_radius(self, command, pair, points, tmp_path):
        code, out, _ = command(pair, "--max-eps", "--inputs", points, "--json", tmp_path / "r.jsonl")
        assert code == 0
        radii = np.abs(np.diff(np.load(points).astype(float))).ravel() / 2
        for record in lines(tmp_path / "r.jsonl"):
            exact = radii[record["index"]]
            assert exact - max(0.02 * exact, 2e-4) < record["verified_eps"] < exact
            assert exact < record["broken_eps"] < exact + max(0.02 * exact, 2e-4)
        assert "largest verified" in out


class TestFiles:
    def test_csv_says_the_same(self, command, pair, points, tmp_path):
        a, b = tmp_path / "r.jsonl", tmp_path / "r.csv"
        command(pair, "--eps", "0.1", "--inputs", points, "--json", a, "--csv", b)
        with b.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [r["verdict"] for r in rows] == [r["verdict"] for r in lines(a)]
        assert set(rows[0]) == set(lines(a)[0]) > KEYS

    def test_json_on_stdout_leaves_it_alone(self, command, pair, points):
        _, out, err = command(pair, "--eps", "0.1", "--inputs", points, "--json", "-")
        assert [json.loads(line)["label"] for line in out.splitlines()]
        assert "natural accuracy" in err

    def test_pictures(self, command, tmp_path):
        code, _, _ = command(
            MODELS / "mnist_dense.onnx", "--eps", "0.2", "--count", "1", "--json", tmp_path / "r.jsonl"
        )
        assert code == 1
        with Image.open(tmp_path / "r.witness" / "0.png") as image:
            assert image.size == (3 * 112 + 8, 112)
        assert np.load(tmp_path / "r.witness" / "0.npy").shape == (1, 1, 28, 28)

    def test_results_are_never_overwritten(self, command, pair, points, tmp_path):
        words = (pair, "--eps", "0.1", "--inputs", points, "--json", tmp_path / "r.jsonl")
        assert command(*words)[0] == 1
        before = (tmp_path / "r.jsonl").read_bytes()
        code, _, err = command(*words)
        assert code == 2
        assert "--resume" in err
        assert (tmp_path / "r.jsonl").read_bytes() == before

    @pytest.mark.parametrize("place", ["", "missing/r.jsonl"])
    def test_unwritable(self, command, pair, tmp_path, place):
        code, _, err = command(pair, "--eps", "0.1", "--json", tmp_path / place)
        assert code == 2
        assert "can't be written" in err

    def test_disk_full(self, command, pair, points):
        code, _, err = command(pair, "--eps", "0.1", "--inputs", points, "--json", "/dev/full")
        assert code == 2
        assert "can't be written" in err


class TestErrors:
    def test_no_such_model(self, command, tmp_path):
        code, out, err = command(tmp_path / "no.onnx", "--eps", "0.1")
        assert (code, out) == (2, "")
        assert err.startswith("verify: InputError:")

    @pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"\x08\x08\x12\x00"])
    @pytest.mark.parametrize("ending", ["onnx", "onnx.gz", "pt2"])
    def test_garbage(self, command, tmp_path, content, ending):
        path = tmp_path / f"m.{ending}"
        path.write_bytes(content)
        code, _, err = command(path, "--eps", "0.1")
        assert code == 2
        assert "Traceback" not in err
        assert err.startswith("verify: ")

    def test_unknown_method_and_device(self, command):
        assert "no method is called" in command(CERTIFIED, "--eps", "0.1", "--method", "magic")[2]
        assert "no device is called" in command(CERTIFIED, "--eps", "0.1", "--device", "abacus")[2]
        assert "CUDA" in command(CERTIFIED, "--eps", "0.1", "--device", "cuda:99")[2]

    def test_offset_beyond(self, command):
        code, _, err = command(CERTIFIED, "--eps", "0.1", "--offset", "100")
        assert code == 2
        assert "has 100 inputs" in err

    def test_a_bug_is_told_as_one(self, command, pair, points, monkeypatch):
        monkeypatch.setattr("verifier.survey.Survey.check", lambda self: 1 / 0)
        code, _, err = command(pair, "--eps", "0.1", "--inputs", points)
        assert code == 2
        assert "Traceback" in err
        assert "please report it: ZeroDivisionError" in err

    def test_disagreement_with_the_file_stops(self, command, pair, points, monkeypatch):
        def differ(model, seen):
            assert seen.shape == (4, 1, 2)
            raise InvalidModel("they disagree")

        monkeypatch.setattr("verifier.api.check_against", differ)
        code, out, err = command(pair, "--eps", "0.1", "--inputs", points)
        assert (code, out) == (2, "")
        assert "InvalidModel" in err


def test_explain(command):
    code, out, _ = command("--explain", MODELS / "mnist_conv.onnx")
    assert code == 0
    for word in ("Conv", "affine: exact", "breakpoint", "dataset: mnist", *(repr(stage) for stage in PLANS["auto"])):
        assert word in out
