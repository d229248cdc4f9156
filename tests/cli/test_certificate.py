"""`verify --certificate` and `verify check`, as a user calls them."""

from pathlib import Path

import pytest

from verifier.cli.main import main

MODEL = str(Path(__file__).parents[2] / "models" / "mnist_dense_certified.onnx")
OTHER = str(Path(__file__).parents[2] / "models" / "mnist_dense.onnx")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("certificate") / "proof.zip")
    assert main([MODEL, "--eps", "0.05", "--count", "5", "--method", "crown", "--certificate", path]) == 0
    return path


def test_what_was_written_is_accepted(certificate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", certificate, MODEL]) == 0
    out = capsys.readouterr().out
    assert out.startswith("accepted")
    assert "5 questions proved" in out


def test_another_model_is_rejected(certificate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", certificate, OTHER]) == 1
    assert "rejected" in capsys.readouterr().out


def test_mistakes(certificate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", MODEL, MODEL]) == 2
    assert "no certificate" in capsys.readouterr().err
    assert main(["check", certificate]) == 2
    assert main(["check", certificate, str(tmp_path / "none.onnx")]) == 2
    assert main(["check", certificate, MODEL, "--aptp", str(tmp_path / "tree")]) == 2
    assert "proved by bounds" in capsys.readouterr().err
    assert main([MODEL, "--max-eps", "--certificate", str(tmp_path / "c")]) == 2
    assert main([MODEL, "--eps", "1", "--certificate", str(tmp_path / "no" / "c")]) == 2


def test_a_property(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its certificate covers it, and none of another property."""
    inputs = "".join(f"(declare-const X_{i} Real)" for i in range(784))
    bounds = "".join(f"(assert (>= X_{i} 0.0))(assert (<= X_{i} 0.01))" for i in range(784))
    outputs = "".join(f"(declare-const Y_{i} Real)" for i in range(10))
    mine, other, proof = tmp_path / "p.vnnlib", tmp_path / "q.vnnlib", str(tmp_path / "proof.zip")
    mine.write_text(f"{inputs}{outputs}{bounds}(assert (>= Y_0 1000.0))")
    other.write_text(f"{inputs}{outputs}{bounds}(assert (>= Y_0 900.0))")
    assert main([MODEL, "--property", str(mine), "--certificate", proof]) == 0
    assert main(["check", proof, MODEL, "--property", str(mine)]) == 0
    assert main(["check", proof, MODEL]) == 0
    assert main(["check", proof, MODEL, "--property", str(other)]) == 1
    assert "not among those that are proved" in capsys.readouterr().out


def test_a_tree_as_text(tmp_path: Path) -> None:
    """Leaves of a tree over activations are written as one disjunction."""
    proof, text = str(tmp_path / "proof.zip"), tmp_path / "tree.vnnlib"
    assert main([OTHER, "--eps", "0.03", "--offset", "2", "--count", "1", "--certificate", proof]) == 0
    assert main(["check", proof, OTHER, "--aptp", str(text)]) == 0
    files = [text] if text.exists() else sorted(tmp_path.glob("tree.vnnlib.*"))
    assert files
    for file in files:
        lines = file.read_text().splitlines()
        leaves = [line for line in lines if line.startswith("  (and")]
        assert len(leaves) > 1 or "(assert (or" not in lines
        assert all(line.count("(") == line.count(")") for line in lines if line not in ("(assert (or", "))"))
