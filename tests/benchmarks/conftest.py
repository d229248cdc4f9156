"""The runner's package, and instances that a fake solver understands."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))  # the end: tests/, too, has a module laws


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., object]:
    """An instance on which the fake solver behaves as told."""
    from compete.instances import Instance

    def write(behaviour: str, expected: str = "", name: str = "q") -> Instance:
        (tmp_path / "net.onnx").touch()
        (tmp_path / f"{name}.vnnlib").write_text(f"; fake: {behaviour}\n")
        return Instance("digits", "net.onnx", f"{name}.vnnlib", 10.0, expected, tmp_path)

    return write


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> object:
    from compete import runner

    monkeypatch.setattr(runner, "GRACE_S", 0.3)
    return runner.Limits(5.0, 2**30)
