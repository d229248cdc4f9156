"""`.pt2` programs load without PyTorch's loader, and nothing in an archive is executed."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_nets import NETS, Function, close, network

from verifier.errors import InputError, InvalidModel, UnsupportedModel
from verifier.formats.torch import load_module, load_pt2

ALIASED = {"in place"}  # writes to views: PyTorch must rewrite the program before it is saved


def save(path: Path, module: nn.Module, *shape: int, **settings: object) -> Path:
    program = torch.export.export(module, (torch.randn(shape, dtype=torch.float64),), **settings)
    torch.export.save(program, path)
    return path


def rewrite(path: Path, changes: dict[str, bytes | None], extra: dict[str, bytes] | None = None) -> Path:
    """A copy of the archive with some records changed (None: left out) and others added."""
    target = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            data = changes.get(name.partition("/")[2], old.read(name))
            if data is not None:
                new.writestr(name, data)
        for name, data in (extra or {}).items():
            new.writestr(f"{root}/{name}", data)
    return target


def record(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{path.stem}/{name}")


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    return save(tmp_path / "net.pt2", nn.Linear(3, 2).double(), 1, 3)


@pytest.mark.parametrize("name", [n for n in NETS if n not in ALIASED])
def test_round_trip(name: str, tmp_path: Path) -> None:
    module, shape = network(name)
    model = load_pt2(save(tmp_path / "net.pt2", module, *shape))
    x = torch.randn((3, *shape)).double()
    with torch.no_grad():
        expected = torch.stack([module(row.clone()) for row in x])
    assert close(model.graph(x), expected)
    assert close(torch.from_numpy(model.evaluator(x.numpy())), expected)
    door = load_module(module, torch.randn(shape)).graph
    assert [(n.op.label, n.shape) for n in door.nodes] == [(n.op.label, n.shape) for n in model.graph.nodes]


def test_writes_to_views_are_refused_until_rewritten(tmp_path: Path) -> None:
    module, shape = network("in place")
    with pytest.raises(UnsupportedModel, match="in place"):
        load_pt2(save(tmp_path / "net.pt2", module, *shape))
    program = torch.export.export(module, (torch.randn(shape).double(),)).run_decompositions({})
    torch.export.save(program, tmp_path / "plain.pt2")
    x = torch.randn((2, *shape)).double()
    assert close(load_pt2(tmp_path / "plain.pt2").graph(x), torch.stack([module(row.clone()) for row in x]))


def test_decomposed_program(tmp_path: Path) -> None:
    """Core ATen, as other tools save it."""
    for name in ("cnn", "attention", "residual", "transposed"):
        module, shape = network(name)
        program = torch.export.export(module, (torch.randn(shape).double(),)).run_decompositions()
        torch.export.save(program, tmp_path / f"{name}.pt2")
        x = torch.randn((2, *shape)).double()
        with torch.no_grad():
            expected = torch.stack([module(row) for row in x])
        assert close(load_pt2(tmp_path / f"{name}.pt2").graph(x), expected)


def test_symbolic_batch_axis(tmp_path: Path) -> None:
    module = Function(lambda x: x.view(x.shape[0], -1) * 2 + x.shape[0])
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(Wrapped(module), (torch.randn(4, 2, 3),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    model = load_pt2(tmp_path / "net.pt2")
    assert model.graph.input.shape == (1, 2, 3)
    assert "symbolic" in model.notes[0]
    x = torch.randn(5, 1, 2, 3).double()
    assert close(model.graph(x), x.reshape(5, 1, 6) * 2 + 1)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


class Bomb:
    """Executes something as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (str(self.mark), os.O_CREAT)


def test_bomb_works(tmp_path: Path) -> None:
    """The attack of the next test, where it succeeds: PyTorch's own loader on the same kind of record."""
    os.close(pickle.loads(pickle.dumps(Bomb(tmp_path / "mark"))))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "slot", ["sample", "weight", "constant", "opaque", "legacy weights", "legacy constants", "old"]
)
@pytest.mark.parametrize("torch_pickle", [True, False])
def test_no_pickle_is_executed(linear: Path, slot: str, torch_pickle: bool) -> None:
    mark = linear.with_name("mark")
    bomb = pickle.dumps(Bomb(mark))
    if torch_pickle:
        torch.save(Bomb(mark), linear.with_name("bomb"))
        bomb = linear.with_name("bomb").read_bytes()
    weights = json.loads(record(linear, "data/weights/model_weights_config.json"))
    for entry in weights["config"].values():
        entry["use_pickle"] = True
    tensor = {"path_name": "tensor_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    opaque = {**tensor, "path_name": "opaque_obj_0"}
    constants = {slot: json.dumps({"config": {"c": e}}).encode() for slot, e in (("t", tensor), ("o", opaque))}
    place = "data/constants/model_constants_config.json"
    changes, extra = {
        "sample": ({"data/sample_inputs/model.pt": bomb}, {}),
        "weight": (
            {"data/weights/weight_0": bomb, "data/weights/model_weights_config.json": json.dumps(weights).encode()},
            {},
        ),
        "constant": ({place: constants["t"]}, {"data/constants/tensor_0": bomb}),
        "opaque": ({place: constants["o"]}, {"data/constants/opaque_obj_0": bomb}),
        "legacy weights": ({}, {"data/weights/model.pt": bomb}),
        "legacy constants": ({}, {"data/constants/model.pt": bomb}),
        "old": (
            {"models/model.json": None},
            {"serialized_exported_program.json": b"{}", "serialized_state_dict.pt": bomb},
        ),
    }[slot]
    path = rewrite(linear, changes, extra)
    if slot == "sample":
        load_pt2(path)  # sample inputs are not read at all
    else:
        with pytest.raises(UnsupportedModel):
            load_pt2(path)
    assert not mark.exists()


def program_of(path: Path) -> dict:
    return json.loads(record(path, "models/model.json"))


def test_expressions_of_sizes_are_not_evaluated(linear: Path) -> None:
    """PyTorch reads these strings with sympy, which evaluates them as Python."""
    mark = linear.with_name("mark")
    program = program_of(linear)
    evil = f"__import__('os').open({str(mark)!r}, {os.O_CREAT})"
    program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0] = {
        "as_expr": {"expr_str": evil, "hint": {"as_int": 1}}
    }
    program["graph_module"]["graph"]["sym_int_values"] = {"s": {"as_expr": {"expr_str": evil, "hint": None}}}
    program["guards_code"] = [evil]
    assert load_pt2(rewrite(linear, {"models/model.json": json.dumps(program).encode()})).graph.input.shape == (1, 3)
    assert not mark.exists()


TARGETS = ["os.system", "torch.hub.load", "torch.ops.aten.from_file.default", "_operator.attrgetter", "builtins.eval"]


@pytest.mark.parametrize("target", TARGETS)
def test_foreign_targets_are_not_called(linear: Path, target: str) -> None:
    mark = linear.with_name("mark")
    program = program_of(linear)
    node = program["graph_module"]["graph"]["nodes"][0]
    node["target"] = target
    node["inputs"] = [{"name": "filename", "arg": {"as_string": f"touch {mark}"}, "kind": 1}] + [
        {"name": n, "arg": {"as_int": 1}, "kind": 1} for n in ("shared", "size")
    ]
    with pytest.raises((UnsupportedModel, InvalidModel)):
        load_pt2(rewrite(linear, {"models/model.json": json.dumps(program).encode()}))
    assert not mark.exists()


def call(target: str, output: str, **inputs: dict) -> dict:
    named = [{"name": name, "arg": arg, "kind": 1} for name, arg in inputs.items()]
    return {"target": target, "inputs": named, "outputs": [{"as_tensor": {"name": output}}], "metadata": {}}


LINEAR = {"as_tensor": {"name": "linear"}}
BOMBS = {
    "full": [call("torch.ops.aten.full.default", "b", size={"as_ints": [2**20, 2**20]}, fill_value={"as_float": 1.0})],
    "expand": [
        call(
            "torch.ops.aten.expand.default",
            "b",
            self=LINEAR,
            size={"as_ints": [2**40, 1, 2]},
        )
    ],
    "windows": [
        call(
            "torch.ops.aten.constant_pad_nd.default",
            "b",
            self=LINEAR,
            pad={"as_ints": [0, 2**22]},
        ),
        call(
            "torch.ops.aten.max_pool1d.default",
            "c",
            self={"as_tensor": {"name": "b"}},
            kernel_size={"as_ints": [2**21]},
            stride={"as_ints": [1]},
        ),
    ],
    "integers": [
        call("_operator.mul", "n0", a={"as_int": 2**62}, b={"as_int": 2}),
        *(
            call("_operator.mul", f"n{i + 1}", a={"as_tensor": {"name": f"n{i}"}}, b={"as_tensor": {"name": f"n{i}"}})
            for i in range(60)
        ),
    ],
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_inside_the_program(linear: Path, name: str) -> None:
    program = program_of(linear)
    program["graph_module"]["graph"]["nodes"] += BOMBS[name]
    with pytest.raises((InvalidModel, UnsupportedModel)):
        load_pt2(rewrite(linear, {"models/model.json": json.dumps(program).encode()}))


def test_compressed_records_are_refused(linear: Path) -> None:
    path = linear.with_name("zip.pt2")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/models/model.json", b"0" * 10**7)
    with pytest.raises(InvalidModel, match="compressed"):
        load_pt2(path)


BROKEN = {
    "no json": {"models/model.json": b"{"},
    "deep json": {"models/model.json": b"[" * 10**6},
    "a list": {"models/model.json": b"[]"},
    "no weights": {"data/weights/model_weights_config.json": None},
    "short weight": {"data/weights/weight_0": b"1234"},
    "empty weight": {"data/weights/weight_0": b""},
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_records(linear: Path, name: str) -> None:
    with pytest.raises(InvalidModel):
        load_pt2(rewrite(linear, BROKEN[name]))


@pytest.mark.parametrize("change", [{"sizes": [2, -3]}, {"strides": [10**9, 1]}, {"storage_offset": 10**15}])
def test_views_outside_their_record(linear: Path, change: dict) -> None:
    config = json.loads(record(linear, "data/weights/model_weights_config.json"))
    for key, value in change.items():
        numbers = [{"as_int": n} for n in value] if isinstance(value, list) else {"as_int": value}
        config["config"]["weight"]["tensor_meta"][key] = numbers
    with pytest.raises(InvalidModel):
        load_pt2(rewrite(linear, {"data/weights/model_weights_config.json": json.dumps(config).encode()}))


def test_truncated_files(linear: Path) -> None:
    data = linear.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 5):
        linear.with_name("cut.pt2").write_bytes(data[:length])
        with pytest.raises(InvalidModel):
            load_pt2(linear.with_name("cut.pt2"))


def test_flipped_bytes_never_crash(linear: Path) -> None:
    """Any outcome but an error that is not ours."""
    text = record(linear, "models/model.json")
    generator = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(text)
        changed[generator.integers(len(text))] = generator.integers(32, 127)
        try:
            load_pt2(rewrite(linear, {"models/model.json": bytes(changed)}))
        except (InvalidModel, UnsupportedModel):
            continue


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_pt2(tmp_path / "none.pt2")
