"""A network in half precision runs at another point than a float32 witness; that point must lie in the region."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from verifier.api import load, verify
from verifier.model import Model
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Falsified


def onnx_half(tmp_path: Path) -> Model:
    one = numpy_helper.from_array(np.ones(1, np.float16), "one")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [1, 1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "one"], ["y"])], "same", ends[:1], ends[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "half.onnx")
    return load(tmp_path / "half.onnx")


def torch_half(_: Path) -> Model:
    module = torch.nn.Linear(1, 1, bias=False).half()
    torch.nn.init.ones_(module.weight)
    return load(module, torch.zeros(1, 1, dtype=torch.half))


@pytest.mark.parametrize("make", [onnx_half, torch_half])
@pytest.mark.parametrize("method", ["attack", "crown", "auto"])
def test_a_witness_is_what_the_engine_ran(make, method: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """`y = x` exceeds 0.09998 on [0.09999, 0.1]; in half precision all of that becomes 0.099976, outside."""
    model = make(tmp_path)
    ends = [torch.full((1, 1, 1), x, dtype=torch.float64) for x in (0.09999, 0.1)]
    row = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    above = Specification(row, torch.full((1, 1), -0.09998, dtype=torch.float64), (0,))
    assert not isinstance(verify(model, box(*ends), above, method=method), Falsified)


@pytest.mark.parametrize("make", [onnx_half, torch_half])
def test_a_witness_in_half_precision_is_found(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ends = [torch.full((1, 1, 1), x, dtype=torch.float64) for x in (-0.5, 0.5)]
    row, zero = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    verdict = verify(make(tmp_path), box(*ends), Specification(row, zero, (0,)), method="attack")
    assert isinstance(verdict, Falsified)
    assert verdict.witness.astype(np.float16).astype(np.float32) == verdict.witness
