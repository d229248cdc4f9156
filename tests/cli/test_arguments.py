"""Options: what is refused, what is read, and that mistakes are answered without torch."""

import subprocess
import sys

import pytest

from verifier.cli.arguments import METHODS, build, parse
from verifier.plan import EXACT, PLANS


def test_eps_reads_fractions():
    assert parse(["m.onnx", "--eps", "8/255"]).eps == 8 / 255
    assert parse(["m.onnx", "--eps", "0"]).eps == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--eps", "-0.1"],
        ["--eps", "nan"],
        ["--eps", "inf"],
        ["--eps", "1/0"],
        ["--eps", "wide"],
        ["--eps", ""],
        [],
        ["--eps", "0", "--max-eps"],
        ["--eps", "1", "--count", "0"],
        ["--eps", "1", "--count", "many"],
        ["--eps", "1", "--offset", "-1"],
        ["--eps", "1", "--timeout", "0"],
        ["--eps", "1", "--timeout", "nan"],
        ["--eps", "1", "--norm", "3"],
        ["--eps", "1", "--dtype", "float16"],
        ["--eps", "1", "--memory", "3K"],
        ["--eps", "1", "--memory", "much"],
        ["--eps", "1", "--seed", "-1"],
        ["--eps", "1", "--range", "1", "0"],
        ["--eps", "1", "--range", "low", "high"],
        ["--eps", "1", "--resume"],
        ["--eps", "1", "--resume", "--json", "-"],
        ["--eps", "1", "--json", "a", "--csv", "a"],
        ["--eps", "1", "--unheard-of"],
    ],
)
def test_refused(words, command):
    code, out, err = command("m.onnx", *words)
    assert code == 2
    assert not out
    assert "verify: error:" in err


def test_model_is_needed(command):
    assert command("--eps", "0.1")[0] == 2


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["0", "255"], (0, 255)),
        (["-1", "1"], (-1, 1)),
        (["-1e-3", "1"], (-1e-3, 1)),
        (["-inf", "inf"], (-float("inf"), float("inf"))),
        (["none", "none"], (-float("inf"), float("inf"))),
        (["0", "none"], (0, float("inf"))),
    ],
)
def test_range(words, wanted):
    assert parse(["m.onnx", "--eps", "1", "--range", *words]).range == wanted


@pytest.mark.parametrize(("text", "wanted"), [("512M", 2**29), ("2G", 2**31), ("1.5g", 3 * 2**29), ("2097152", 2**21)])
def test_memory(text, wanted):
    assert parse(["m.onnx", "--eps", "1", "--memory", text]).memory == wanted


def test_few_options():
    options = [action for action in build()._actions if action.option_strings and action.dest != "help"]
    assert len(options) <= 22


def test_help_names_every_method():
    assert sorted((*PLANS, *EXACT)) == sorted(METHODS)


def test_mistakes_and_help_do_not_wait_for_torch():
    program = (
        "import sys\nfrom verifier.cli.main import main\n"
        "assert main(['--help']) == 0\nassert main(['m.onnx', '--eps', 'x']) == 2\n"
        "assert main(['missing.onnx', '--eps', '0.1']) == 2\n"
        "slow = {'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)\nassert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_version(command):
    code, out, _ = command("--version")
    assert code == 0
    words = [line.split()[0] for line in out.splitlines()]
    assert words == ["verifier", "python", "numpy", "onnx", "onnxruntime", "torch", "solver", "device"]
