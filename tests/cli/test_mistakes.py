"""Wrong files and words, as users give them: each message says what is wrong and what to do."""

import numpy as np
import pytest

from verifier.api import load


def test_directory_as_model(command, tmp_path):
    for words in (("--eps", "0.1"), ("--explain",)):
        code, _, err = command(tmp_path, *words)
        assert code == 2
        assert f"{tmp_path} is a directory" in err


@pytest.mark.parametrize(("name", "hint"), [("m.pt", "torch.export"), ("m.PTH", "torch.export"), ("m.h5", "tf2onnx")])
def test_files_of_other_frameworks(command, tmp_path, name, hint):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    code, _, err = command(tmp_path / name, "--eps", "0.1")
    assert code == 2
    assert hint in err


def test_onnx_by_another_name_is_read(pair, tmp_path):
    other = pair.rename(tmp_path / "m.pb")
    assert load(other).graph.output_shape == (1, 2)


def test_wrong_words_are_told_in_one_line(command):
    code, _, err = command("m.onnx", "--eps", "-1")
    assert code == 2
    assert err.count("\n") == 1
    assert "--help" in err


def test_two_results_in_one_place(command, pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command(pair, "--eps", "0.1", "--json", "r", "--csv", "./r")
    assert code == 2
    assert "same place" in err


def test_single_output(command, network, array):
    model = network([1, 2], [[1, 1]])
    code, _, err = command(model, "--eps", "0.1", "--inputs", array(np.zeros((1, 2))))
    assert code == 2
    assert "verifier.Specification" in err
