"""Integers of fixed width wrap, in our graph as in ONNX Runtime, and nothing is proved that they break."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from verifier import load, verify_each
from verifier.api import compare
from verifier.batch import Settings
from verifier.bounding.methods import Crown, Ibp, Method
from verifier.bounding.unwrapped import unwrapped
from verifier.certificates.check import check
from verifier.complete.bab import Bab
from verifier.complete.input_split import InputSplit
from verifier.complete.record import Recorder
from verifier.complete.search import Search
from verifier.errors import InvalidModel, Rejected
from verifier.formats.vnnlib.reader import parse
from verifier.graph.ops.activation import Wrap
from verifier.interval import Interval
from verifier.model import Model
from verifier.plan import plan
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.queries.answer import answer
from verifier.regions import box
from verifier.relaxations.wrap import Wrapping

INT8, UINT8, INT16, INT32, INT64 = (getattr(TensorProto, n) for n in ("INT8", "UINT8", "INT16", "INT32", "INT64"))
FLOAT = TensorProto.FLOAT


def cast(to: int, source: str, out: str) -> NodeProto:
    return helper.make_node("Cast", [source], [out], to=to)


# name: nodes from `i` (int64) to `j`, constants, where the input is, and the first place of it that wraps
CASES: dict[str, tuple[list[NodeProto], dict[str, np.ndarray], tuple[int, int], int]] = {
    "cast to int8": ([cast(INT8, "i", "j")], {}, (100, 140), 128),
    "cast to uint8": ([cast(UINT8, "i", "j")], {}, (240, 260), 256),
    "cast to int16": ([cast(INT16, "i", "j")], {}, (32760, 32775), 32768),
    "sum in int8": (
        [cast(INT8, "i", "a"), helper.make_node("Add", ["a", "k"], ["j"])],
        {"k": np.array(100, np.int8)},
        (10, 40),
        28,
    ),
    "difference in uint8": (
        [cast(UINT8, "i", "a"), helper.make_node("Sub", ["k", "a"], ["j"])],
        {"k": np.array(9, np.uint8)},
        (0, 20),
        10,
    ),
    "product in int32": (
        [cast(INT32, "i", "a"), helper.make_node("Mul", ["a", "k"], ["j"])],
        {"k": np.array(2**30, np.int32)},
        (0, 5),
        2,
    ),
    "product in int64": ([helper.make_node("Mul", ["i", "k"], ["j"])], {"k": np.array(2**62, np.int64)}, (0, 5), 2),
}


def model(path: Path, name: str) -> Path:
    nodes, constants, _, _ = CASES[name]
    values = [helper.make_tensor_value_info(name, FLOAT, [1, 1]) for name in ("x", "y")]
    graph = helper.make_graph(
        [cast(INT64, "x", "i"), *nodes, cast(FLOAT, "j", "y")],
        "integers",
        values[:1],
        values[1:],
        [numpy_helper.from_array(array, key) for key, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    return request.param, model(tmp_path / "m.onnx", request.param)


def runtime(path: Path, points: list[int]) -> np.ndarray:
    session = ort.InferenceSession(path)
    return np.array([session.run(None, {"x": np.array([[n]], np.float32)})[0].item() for n in points])


def test_they_wrap_as_in_the_runtime(case) -> None:
    name, path = case
    points = list(range(CASES[name][2][0], CASES[name][2][1] + 1))
    graph = load(path).graph
    ours = graph(torch.tensor(points).double().reshape(-1, 1, 1)).flatten().numpy()
    assert np.allclose(ours, runtime(path, points), rtol=1e-7)


def problem(loaded: Model, low: int, high: int, least: float) -> Problem:
    """The output is above `least`."""
    ends = (torch.full((1, 1, 1), float(end)) for end in (low, high))
    rows, offset = torch.ones(1, 1, 1, 1).double(), torch.full((1, 1), -least).double()
    return Problem(loaded, box(*ends), Specification(rows, offset, (0,)))


METHODS: list[Method | Search] = [Ibp(), Crown(), Bab(), InputSplit()]


def least(path: Path, low: int, high: int) -> float:
    return float(runtime(path, list(range(low, high + 1))).min())


def verdict(asked: Problem, method: Method | Search, recorder: Recorder | None = None) -> str:
    answers = verify_each(
        asked.model, asked.region, asked.specification, method=method, timeout=5.0, check=False, record=recorder
    )
    return type(next(answers).verdict).__name__


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_what_wraps_is_not_proved(case, method, tmp_path) -> None:
    """And what does not is, with a certificate."""
    name, path = case
    (low, high), wraps, loaded = CASES[name][2], CASES[name][3], load(path)
    for end in (high, wraps):
        assert verdict(problem(loaded, low, end, least(path, low, end) + 0.5), method) != "Verified"
    values, recorder = runtime(path, list(range(low, wraps))), Recorder()
    asked = problem(loaded, low, wraps - 1, values.min() - 0.5 - 1e-9 * abs(values).max())
    assert verdict(asked, method, recorder) == "Verified"
    recorder.save(tmp_path / "c.zip", path)
    assert len(list(check(tmp_path / "c.zip", path, loaded.graph))) == 1


def test_a_query_is_answered_by_what_wraps(case) -> None:
    name, path = case
    low, high = CASES[name][2]
    text = f"""(vnnlib-version <2.0>)
    (declare-network N (declare-input X real [1,1]) (declare-output Y real [1,1]))
    (assert (>= X[0,0] {low}.0)) (assert (<= X[0,0] {high}.0)) (assert (<= Y[0,0] {int(least(path, low, high))}.0))"""
    assert answer(parse(text), {"N": path}, Settings(plan("auto"), timeout=20.0)).word == "sat"


def test_what_fits_is_no_limit(tmp_path) -> None:
    """Where the region shows it, limits go, and nothing is in the way of a search."""
    loaded = load(model(tmp_path / "m.onnx", "cast to int8"))

    def limits(high: int) -> int:
        graph = unwrapped(problem(loaded, 100, high, 0.0), None).model.graph
        return sum(isinstance(node.op, Wrap) for node in graph.nodes)

    assert limits(127) == 0
    assert limits(128) == 1
    assert limits(140) == 1


def test_limits_that_are_forgotten_are_noticed(monkeypatch, tmp_path) -> None:
    """By the law above, and by the checker."""
    path = model(tmp_path / "m.onnx", "sum in int8")
    asked, recorder = problem(load(path), 10, 40, least(path, 10, 40) + 0.5), Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(Wrap, "fits", lambda self, lower, upper: torch.ones_like(lower, dtype=torch.bool))
        assert verdict(asked, Ibp(), recorder) == "Verified"
    recorder.save(tmp_path / "c.zip", path)
    with pytest.raises(Rejected):
        list(check(tmp_path / "c.zip", path, asked.model.graph))


@pytest.mark.parametrize(("bits", "signed"), [(8, True), (8, False), (32, True), (64, True), (64, False)])
def test_the_range_holds_all_of_the_type(bits: int, signed: bool) -> None:
    """Of 64 bits float64 has no greatest number, but one above."""
    op = Wrap(bits, signed)
    assert op.least <= (-(2 ** (bits - 1)) if signed else 0)
    assert op.greatest >= 2 ** (bits - signed) - 1
    beyond = torch.tensor(2.0 ** (bits - signed)).double()
    assert not bool(op.fits(beyond, beyond))


def test_a_wrong_reading_is_noticed_at_a_corner(monkeypatch, tmp_path) -> None:
    """Few points of this region wrap, but its upper end does."""
    loaded = load(model(tmp_path / "m.onnx", "cast to int8"))
    compare(loaded, problem(loaded, 0, 128, 0.0).region)
    monkeypatch.setattr(Wrap, "forward", lambda self, x: x)
    with pytest.raises(InvalidModel, match="disagrees"):
        compare(loaded, problem(loaded, 0, 128, 0.0).region)


@pytest.mark.parametrize("slope", [-1.5, 0.0, 0.5, 1.0, 2.0])
def test_lines_hold_for_any_slope(slope: float) -> None:
    op, relaxation = Wrap(3, True), Wrapping()
    for low in range(-12, 12):
        for high in range(low, 12):
            ends = torch.tensor([[float(low)]]).double(), torch.tensor([[float(high)]]).double()
            least, greatest = relaxation.gap(op, Interval(*ends), torch.full((1, 1), slope).double())
            x = torch.arange(low, high + 1).double().unsqueeze(1)
            rest = op.forward(x) - slope * x
            assert bool(((least <= rest) & (rest <= greatest)).all())
