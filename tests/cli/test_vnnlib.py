"""The standard's command line: what it prints, when it fails, and that it answers small questions at once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from verifier.bounding.state import check_boundable
from verifier.cli.capabilities import LISTS
from verifier.cli.vnnlib import main, within
from verifier.errors import UnsupportedModel
from verifier.formats.onnx import load_onnx
from verifier.formats.onnx.table import TRANSLATORS
from verifier.relaxations.table import RELAXATIONS

QUERY = """(vnnlib-version <2.0>)
(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))
(assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0)))
(assert (and (>= X[0,1] 0.0) (<= X[0,1] 1.0)))
(assert (> (+ Y[0,0] Y[0,1]) {}))
"""


@pytest.fixture
def files(network, tmp_path):
    """A network that doubles and triples, and a query that asks whether the sum of both passes a threshold."""
    model = network((1, 2), [[2, 0], [0, 3]])

    def write(threshold):
        path = tmp_path / "q.vnnlib"
        path.write_text(QUERY.format(threshold))
        return [str(path), "--network", f"N={model}", "--timeout", "60.0"]

    return write


@pytest.fixture
def solver(capsys):
    def run(*words):
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_small_questions_import_nothing_heavy():
    program = (
        "import sys\nfrom verifier.cli.vnnlib import main\n"
        "assert main(['--name']) == 0 and main(['--version']) == 0\n"
        "assert main(['supports', '--onnx-operators']) == 0\n"
        "assert not {'torch', 'onnx', 'numpy'} & set(sys.modules), 'imported'\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


ATTACKED = set(
    """Acosh Atanh Hardmax IsInf IsNaN LogSoftmax LpNormalization Mod OneHot ReduceLogSumExp ReduceProd
    Shrink Tan ThresholdedRelu TopK""".split()  # noqa: SIM905
)


def test_operators_are_those_of_the_loader_that_are_bounded():
    """A new operator belongs to the one list or the other."""
    listed = set(LISTS["onnx-operators"])
    assert listed | ATTACKED == {name for name in TRANSLATORS if "." not in name}
    assert not listed & ATTACKED


@pytest.mark.parametrize("operator", sorted(ATTACKED - {"TopK", "LpNormalization", "Mod", "OneHot"}))
def test_others_have_no_bounds(tmp_path, operator):
    """Else they should be listed."""
    attributes = {"bias": 0.5} if operator == "Shrink" else {}
    kind = {"IsInf": onnx.TensorProto.BOOL, "IsNaN": onnx.TensorProto.BOOL}.get(operator, onnx.TensorProto.FLOAT)
    kind = onnx.TensorProto.INT64 if operator.startswith("Arg") else kind
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x"], ["y"], **attributes)],
        operator,
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3])],
        [onnx.helper.make_tensor_value_info("y", kind, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "one.onnx")
    with pytest.raises(UnsupportedModel):
        check_boundable(load_onnx(tmp_path / "one.onnx").graph, RELAXATIONS)


@pytest.mark.parametrize("what", LISTS)
def test_capabilities_are_bare_lines(solver, what):
    code, out, err = solver("supports", f"--{what}")
    assert (code, err) == (0, "")
    assert out.splitlines() == list(LISTS[what])
    assert solver("capabilities", f"--{what}")[1] == out


def test_the_other_spelling(solver):
    assert solver("supports", "--multiple-inputs-output-theories")[1] == "SIO\nMIO\n"


def test_unsat_is_one_line(solver, files):
    assert solver("verify", *files("5.5")) == (0, "unsat\n", "")


@pytest.mark.parametrize("verb", [("verify",), ()])
def test_sat_shows_every_variable(solver, files, verb):
    code, out, err = solver(*verb, *files("4.75"))
    assert (code, err) == (0, "")
    said = out.splitlines()
    assert said[0] == "sat"
    assert (said[1], said[4]) == ("X float32 [1,2]", "Y float32 [1,2]")
    x, y = ([np.float32(float(word)) for word in said[i : i + 2]] for i in (2, 5))
    assert y == [2 * x[0], 3 * x[1]]
    assert all(0 <= v <= 1 for v in x)
    assert sum(map(float, y)) > 4.75


@pytest.mark.parametrize("option", ["--serialise-assignments", "--assignments"])
def test_assignments_as_tensors(solver, files, tmp_path, option):
    assert solver("verify", *files("4.75"), option, tmp_path / "out")[0] == 0
    tensors = {name: onnx.load_tensor(tmp_path / "out" / f"{name}.pb") for name in "XY"}
    x, y = (onnx.numpy_helper.to_array(tensors[name]) for name in "XY")
    assert x.dtype == y.dtype == np.float32
    assert x.shape == (1, 2)
    assert np.array_equal(y, x * np.float32([2, 3]))


@pytest.mark.parametrize(
    "words",
    [
        ["supports"],
        ["supports", "--nothing"],
        ["verify"],
        ["verify", "absent.vnnlib"],
        ["verify", "q.vnnlib", "--network", "N"],
        ["verify", "q.vnnlib", "--network", "N=absent.onnx"],
        ["verify", "q.vnnlib", "--timeout", "-1"],
        ["--nothing"],
    ],
)
def test_mistakes_print_nothing_on_stdout(solver, words):
    code, out, err = solver(*words)
    assert code in (1, 2)
    assert out == ""
    assert len(err.splitlines()) >= 1


def test_too_few_and_too_many_networks(solver, files):
    query, option, model, *_ = files("5.5")
    for networks in ([], [option, model, option, "M=" + model[2:]], [option, model, option, model]):
        code, out, err = solver("verify", query, *networks)
        assert (code, out) == (1, "")
        assert "network" in err


def test_limits_leave_time_to_end():
    assert within(60) == 59
    assert within(5.0) < 4.3
    assert 0 < within(0.5) < 0.5


def test_the_process_ends_in_time(files):
    words = files("4.999")[:-1]
    command = [sys.executable, "-m", "verifier.cli.vnnlib", *words, "0.2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0] in ("timed-out", "sat")


@pytest.mark.parametrize("limit", ["inf", "1e20"])
def test_a_limit_that_no_clock_reaches(files, limit):
    """The thread that watches the clock used to die with a traceback."""
    command = [sys.executable, "-m", "verifier.cli.vnnlib", *files("4.75")[:-1], limit]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout[:4], ended.stderr) == (0, "sat\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_does_not_stop_the_clock(files):
    """The process used to wait for ever: the answer for the thread that could not print."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "verifier.cli.vnnlib", *files("4.75")[:-1], "0.2"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert ended.returncode == 1
    assert "can't be written" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reader_who_leaves(files):
    command = [sys.executable, "-m", "verifier.cli.vnnlib", *files("4.75")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(60) == 141
