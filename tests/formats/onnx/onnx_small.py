"""Small ONNX models for the tests, and the question they are asked: does our graph equal two other engines?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from verifier.formats.onnx import load_onnx
from verifier.model import Model

Shape = Sequence[int | str]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: Sequence[str],
    weights: dict[str, np.ndarray] | None = None,
    opset: int = 17,
    output_shapes: dict[str, Shape] | None = None,
    extra_domains: Sequence[str] = (),
    **graph: object,
) -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()]
    outs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, list(output_shapes[n]))
        if output_shapes and n in output_shapes
        else helper.make_empty_tensor_value_info(n)
        for n in outputs
    ]
    tensors = [numpy_helper.from_array(a, n) for n, a in (weights or {}).items()]
    made = helper.make_graph(list(nodes), "g", infos, outs, tensors, **graph)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in extra_domains)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def save(proto: onnx.ModelProto, folder: Path, name: str = "m.onnx") -> Path:
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def typed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """With output types, which ONNX Runtime asks for, but without output shapes: no leading size is then a batch."""
    proto = onnx.shape_inference.infer_shapes(proto)
    for info in proto.graph.output:
        if info.type.tensor_type.elem_type:
            info.type.tensor_type.ClearField("shape")
    return proto


def points(shape: Sequence[int], count: int = 4, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return np.random.default_rng(1).uniform(low, high, (count, *shape)).astype(np.float32)


def ours(loaded: Model, x: np.ndarray, dtype: torch.dtype = torch.float64) -> np.ndarray:
    return loaded.graph.to(dtype)(torch.from_numpy(x).to(dtype)).double().numpy()


def relative(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    scale = max(np.abs(b[np.isfinite(b)]).max(initial=0.0), 1e-6)
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0, np.abs(a - b)).max(initial=0.0) / scale)


def check(path: Path, x: np.ndarray | None = None, wide: bool = True) -> Model:
    """Load, and compare with ONNX Runtime in float32 and with the onnx reference in float64."""
    loaded = load_onnx(path)
    x = points(loaded.graph.input.shape) if x is None else x
    assert relative(ours(loaded, x), loaded.evaluator(x).astype(np.float64)) < 1e-4
    if wide:
        assert relative(ours(loaded, x), loaded.evaluator.double(x)) < 1e-9  # type: ignore[attr-defined]
    return loaded
