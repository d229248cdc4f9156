"""Every operator in several forms and opsets, against ONNX Runtime and the onnx reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_small import check, model, points, save, typed

R = np.random.default_rng(0)


def w(*shape: int, low: float = -1.0) -> np.ndarray:
    return R.uniform(low, 1.0, shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@dataclass
class Case:
    op: str
    shapes: Sequence[Sequence[int]]  # of the inputs that vary
    constants: Sequence[np.ndarray | None] = ()  # those behind; None skips an optional input
    attributes: dict[str, Any] = field(default_factory=dict)
    opsets: Sequence[int] = (17,)
    first: bool = False  # constants in front of the inputs
    low: float = -2.0
    outputs: int = 1
    wide: bool = True  # whether the reference can be asked in float64

    def __str__(self) -> str:
        return f"{self.op}{[tuple(s) for s in self.shapes]}{self.attributes}"


def c(op: str, *shapes: Sequence[int], k: Sequence[np.ndarray | None] = (), **options: Any) -> Case:
    known = {name: options.pop(name) for name in ("opsets", "first", "low", "outputs", "wide") if name in options}
    return Case(op, shapes, k, options, **known)


IMAGE = (1, 3, 7, 6)
DENSE = [
    c("MatMul", (1, 4), k=[w(4, 3)]),
    c("MatMul", (2, 3, 4), k=[w(4, 3)]),
    c("MatMul", (4,), k=[w(4, 3)]),
    c("MatMul", (3, 4), k=[w(4)]),
    c("MatMul", (2, 3, 4), k=[w(2, 4, 5)]),
    c("MatMul", (4,), k=[w(2, 4, 5)]),
    c("MatMul", (4, 3), k=[w(5, 4)], first=True),
    c("MatMul", (4,), k=[w(5, 4)], first=True),
    c("MatMul", (4, 3), k=[w(4)], first=True),
    c("MatMul", (4,), k=[w(4)], first=True),
    c("MatMul", (2, 3, 4), (2, 4, 5)),
    c("MatMul", (2, 3, 4), (4, 5)),
    c("MatMul", (4,), (2, 4, 5)),
    c("MatMul", (2, 3, 4), (4,)),
    c("MatMul", (4,), (4,)),
    c("Gemm", (1, 4), k=[w(4, 3), w(3)], opsets=(7, 9, 11, 13)),
    c("Gemm", (1, 4), k=[w(3, 4), w(1, 3)], transB=1, alpha=0.5, beta=2.0),
    c("Gemm", (4, 2), k=[w(4, 3), w(2, 3)], transA=1),
    c("Gemm", (4, 2), k=[w(4, 3), w(2, 1)], transA=1),
    c("Gemm", (2, 4), k=[w(4, 3)], alpha=0.5),
    c("Gemm", (2, 4), (4, 3), (2, 3), alpha=0.5, beta=0.25),
    c("Einsum", (2, 3, 4), k=[w(4, 5)], equation="bij,jk->bik"),
    c("Einsum", (2, 3, 4), (2, 4, 5), equation="bij,bjk->bik"),
    c("Einsum", (2, 3, 4), (4, 5), equation="...j,jk"),
    c("Einsum", (3, 3), equation="ii->i"),
]
CONV = [
    c("Conv", IMAGE, k=[w(4, 3, 3, 3), w(4)], opsets=(7, 11, 17)),
    c("Conv", IMAGE, k=[w(4, 3, 3, 2)], pads=[1, 0, 2, 1], strides=[2, 1]),
    c("Conv", IMAGE, k=[w(4, 3, 3, 3)], auto_pad="SAME_UPPER", strides=[2, 2]),
    c("Conv", IMAGE, k=[w(4, 3, 3, 3)], auto_pad="SAME_LOWER", strides=[2, 2]),
    c("Conv", IMAGE, k=[w(4, 3, 3, 3)], auto_pad="VALID"),
    c("Conv", IMAGE, k=[w(6, 1, 2, 2), w(6)], group=3, dilations=[2, 1]),
    c("Conv", (1, 3, 9), k=[w(4, 3, 3)], pads=[1, 1]),
    c("Conv", (1, 2, 4, 4, 4), k=[w(3, 2, 2, 2, 2)]),
    c("Conv", (2, 3, 5, 5), k=[w(4, 3, 3, 3)]),
    c("ConvTranspose", IMAGE, k=[w(3, 4, 3, 3), w(4)], strides=[2, 2]),
    c("ConvTranspose", IMAGE, k=[w(3, 4, 3, 3), w(4)], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    c("ConvTranspose", IMAGE, k=[w(3, 4, 3, 3), w(4)], strides=[2, 2], pads=[0, 1, 1, 2]),
    c("ConvTranspose", IMAGE, k=[w(3, 4, 3, 3)], strides=[2, 2], output_shape=[14, 12], wide=False),
    c("ConvTranspose", IMAGE, k=[w(3, 4, 3, 3)], strides=[2, 2], auto_pad="SAME_UPPER"),
    c("ConvTranspose", (1, 4, 5, 5), k=[w(4, 2, 3, 3)], group=2, dilations=[2, 2], wide=False),
]
POOL = [
    c("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], opsets=(8, 12)),
    c("MaxPool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    c("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1, pads=[0, 0, 1, 1]),
    c("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 2]),
    c("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    c("MaxPool", (1, 2, 9), kernel_shape=[3], strides=[2]),
    c("AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], opsets=(7, 11)),
    c("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    c("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    c("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 0, 0, 1], strides=[2, 2]),
    c("AveragePool", IMAGE, kernel_shape=[2, 4], strides=[2, 2], ceil_mode=1, opsets=(19,)),
    c("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER", wide=False),
    c("AveragePool", (1, 2, 4, 4, 4), kernel_shape=[2, 2, 2]),
    c("GlobalAveragePool", IMAGE),
    c("GlobalMaxPool", IMAGE),
]
SHAPE = [
    c("Reshape", (1, 2, 6), k=[i64(0, -1, 3)], opsets=(7, 13, 17)),
    c("Reshape", (1, 2, 6), k=[i64(3, 4)], allowzero=1),
    c("Flatten", (2, 3, 4), axis=2),
    c("Flatten", (2, 3, 4), axis=-1, opsets=(13,)),
    c("Flatten", (2, 3, 4), axis=0),
    c("Transpose", (1, 2, 3), perm=[0, 2, 1]),
    c("Transpose", (1, 2, 3)),
    c("Squeeze", (1, 2, 1), axes=[0], opsets=(11,)),
    c("Squeeze", (1, 2, 1), k=[i64(-1)]),
    c("Squeeze", (1, 2, 1)),
    c("Unsqueeze", (2, 3), axes=[0, 3], opsets=(11,)),
    c("Unsqueeze", (2, 3), k=[i64(-1, 0)]),
    c("Concat", (1, 2), (1, 3), axis=1),
    c("Concat", (1, 2), k=[w(1, 3)], axis=-1),
    c("Expand", (2, 1), k=[i64(3, 1, 4)]),
    c("Tile", (2, 3), k=[i64(2, 2)]),
    c("Slice", (4, 5), starts=[1, 0], ends=[3, 99], opsets=(9,)),
    c("Slice", (4, 5), k=[i64(-1), i64(-99), i64(0), i64(-2)]),
    c("Slice", (4, 5), k=[i64(1, -3), i64(2**63 - 1, -1), i64(0, 1)]),
    c("Split", (2, 6), axis=1, split=[2, 4], outputs=2, opsets=(11,)),
    c("Split", (2, 6), k=[i64(2, 4)], axis=1, outputs=2),
    c("Split", (2, 6), axis=1, outputs=3, opsets=(11, 17)),
    c("Split", (2, 7), axis=1, num_outputs=3, outputs=3, opsets=(18,)),
    c("Gather", (3, 4), k=[i64(2, 0, -1)], axis=1),
    c("Gather", (3, 4), k=[np.array(1, dtype=np.int64)], axis=0),
    c("Gather", (3, 4), k=[np.array([[0, 1], [2, 0]], dtype=np.int64)]),
    c("GatherElements", (3, 4), k=[np.array([[0, 1, -1, 2], [2, 0, 1, 0]], dtype=np.int64)]),
    c("GatherND", (3, 4), k=[np.array([[0, 1], [2, 3]], dtype=np.int64)]),
    c("GatherND", (2, 3, 4), k=[np.array([[1], [2]], dtype=np.int64)], batch_dims=1),
    c("ScatterND", (4, 3), k=[np.array([[1], [3]], dtype=np.int64), w(2, 3)]),
    c("ScatterElements", (3, 3), k=[np.array([[0, 2, 1]], dtype=np.int64), w(1, 3)]),
    c("Pad", (1, 2, 3), pads=[0, 1, 0, 0, 0, 2], value=1.5, opsets=(10,)),
    c("Pad", (1, 2, 3), k=[i64(0, 1, 0, 0, 0, 2), np.array(-1.5, dtype=np.float32)]),
    c("Pad", (1, 2, 4), k=[i64(0, 1, 2, 0, 0, 2)], mode="reflect"),
    c("Pad", (1, 2, 3), k=[i64(0, 1, -1, 0, 0, 2)], mode="edge", wide=False),
    c("Pad", (1, 2, 3), k=[i64(1, 2), None, i64(-1)], opsets=(18,)),
    c("DepthToSpace", (1, 8, 2, 3), blocksize=2),
    c("DepthToSpace", (1, 8, 2, 3), blocksize=2, mode="CRD"),
    c("SpaceToDepth", (1, 2, 4, 6), blocksize=2),
    c("ReverseSequence", (3, 2), k=[i64(2, 3)]),
    c("Compress", (3, 2), k=[np.array([True, False, True])], axis=0),
    c("Trilu", (3, 4), upper=0),
    c("Trilu", (3, 4), k=[np.array(1, dtype=np.int64)]),
    c("CumSum", (3, 4), k=[np.array(0, dtype=np.int64)]),
    c("CumSum", (2, 3, 4), k=[np.array(-1, dtype=np.int64)], exclusive=1, reverse=1),
    c("CumSum", (2, 3, 4), k=[np.array(0, dtype=np.int64)], reverse=1),
    c("Identity", (2,)),
    c("Dropout", (2, 3), opsets=(7, 12, 13)),
]
ARITHMETIC = [
    *(c(op, (2, 3), k=[w(3, low=0.5)], opsets=(7, 14)) for op in ("Add", "Sub", "Mul", "Div")),
    *(c(op, (2, 3), k=[w(4, 2, 3, low=0.5)], first=True, low=0.5) for op in ("Add", "Sub", "Mul", "Div")),
    *(c(op, (2, 3), (3,), low=0.5) for op in ("Add", "Sub", "Mul", "Div")),
    c("Sum", (2, 3), (3,), k=[w(2, 1)]),
    c("Mean", (2, 3), (3,), (2, 1)),
    c("Max", (2, 3), (3,)),
    c("Max", (2, 3), k=[w(4, 2, 3), w(3)]),
    c("Min", (2, 3), (2, 1), (3,)),
    c("Min", (2, 3), k=[w(3), np.float32(0.25)]),
    c("Min", (2, 3), (3,), k=[w(3)]),
    c("Max", (2, 3), k=[np.float32(0)]),
    *(c("Pow", (2, 3), k=[np.float32(p)], low=0.1) for p in (2, 3, 0.5, -1, 1, 0, 1.7)),
    c("Pow", (2, 3), k=[np.array([1, 2, 3], dtype=np.float32)]),
    c("Pow", (2, 3), (3,), low=0.1),
    c("Pow", (2, 3), k=[np.array([2], dtype=np.float32)], first=True),
    c("Pow", (2, 3), k=[np.array([2, 0.5, 1], dtype=np.float32)], first=True),
    c("Add", (2, 3), k=[np.zeros(3, dtype=np.float32)]),
    c("Sub", (3,), k=[np.zeros((2, 3), dtype=np.float32)]),
    c("Mul", (2, 3), k=[np.ones((1, 2, 1), dtype=np.float32)], first=True),
    c("Mod", (2, 3), k=[w(3, low=0.5)], fmod=1),
    c("Clip", (2, 3), min=-0.5, max=1.0, opsets=(7,)),
    c("Clip", (2, 3), min=0.0, max=6.0, opsets=(7,)),
    c("Clip", (2, 3), k=[np.float32(-0.5), np.float32(1)]),
    c("Clip", (2, 3), k=[None, np.float32(1)]),
    c("Clip", (2, 3), k=[np.float32(0)]),
    c("PRelu", (1, 3, 2), k=[w(3, 1)]),
]
REDUCE = [
    *(c(f"Reduce{n}", (2, 3, 4), axes=[1], keepdims=0, opsets=(11,)) for n in ("Mean", "Max", "Min", "L1", "Sum")),
    *(
        c(f"Reduce{n}", (2, 3, 4), k=[i64(-1, 0)], opsets=(18,), low=0.1)
        for n in ("Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp", "Prod")
    ),
    c("ReduceSum", (2, 3), noop_with_empty_axes=1),
    c("ReduceSum", (2, 3), keepdims=0),
    c("ArgMax", (2, 4), axis=1),
    c("ArgMin", (2, 4), axis=0, keepdims=0),
    c("ArgMax", (2, 4), axis=-1, select_last_index=1),
    c("TopK", (2, 5), k=[i64(3)], outputs=2),
]
NORMAL = [
    c("BatchNormalization", IMAGE, k=[w(3), w(3), w(3), w(3, low=0.1)], opsets=(7, 9, 14, 15)),
    c("BatchNormalization", (2, 3), k=[w(3), w(3), w(3), w(3, low=0.1)], epsilon=0.01),
    c("LayerNormalization", (2, 3, 4), k=[w(4), w(4)]),
    c("LayerNormalization", (2, 3, 4), k=[w(3, 4)], axis=1),
    c("InstanceNormalization", IMAGE, k=[w(3), w(3)]),
    c("GroupNormalization", (1, 4, 3, 3), k=[w(4), w(4)], num_groups=2, opsets=(21,), wide=False),
    c("LpNormalization", (2, 3), p=1, wide=False),
    c("LpNormalization", (2, 3), axis=0),
    c("MeanVarianceNormalization", IMAGE, wide=False),
    *(c(op, (2, 3, 4), axis=axis, opsets=(13,)) for op in ("Softmax", "LogSoftmax") for axis in (0, 1, -1)),
    *(c(op, (2, 3, 4), axis=axis, opsets=(11,), wide=False) for op in ("Softmax", "LogSoftmax") for axis in (0, 1, 2)),
    *(c("Softmax", (2, 3, 4), opsets=(opset,), wide=opset > 12) for opset in (7, 11, 13)),
    c("Hardmax", (2, 3, 4), axis=1, opsets=(13,)),
]
PLAIN = [
    *(
        c(op, (2, 3))
        for op in (
            *("Relu", "Abs", "Sign", "Sigmoid", "Tanh", "Floor", "Ceil", "Round", "Neg", "Exp", "Sin", "Cos"),
            *("Atan", "Sinh", "Cosh", "Asinh", "Softplus", "Softsign", "Elu", "Selu", "Celu", "LeakyRelu"),
            *("HardSigmoid", "Shrink", "ThresholdedRelu"),
        )
    ),
    *(c(op, (2, 3), low=0.1) for op in ("Log", "Sqrt", "Reciprocal")),
    *(c(op, (2, 3), opsets=(20,), wide=False) for op in ("Gelu", "Erf", "HardSwish")),
    c("Gelu", (2, 3), approximate="tanh", opsets=(20,), wide=False),
    c("Mish", (2, 3), opsets=(18,)),
    c("LeakyRelu", (2, 3), alpha=0.2),
    c("HardSigmoid", (2, 3), alpha=0.3, beta=0.4),
    c("QuantizeLinear", (2, 3), k=[np.float32(0.1), np.uint8(7)], wide=False),
    c("Where", (2, 3), (3,), k=[np.array([True, False, True])], first=True),
    c("Where", (2, 3), k=[np.array([True, False, True]), np.full((2, 1), -np.inf, np.float32)], first=True),
]
RESIZE = [
    c("Upsample", (1, 2, 3, 4), mode="nearest", scales=[1.0, 1.0, 2.0, 2.0], opsets=(7,), wide=False),
    c("Upsample", (1, 2, 3, 4), k=[np.array([1, 1, 2, 3], np.float32)], mode="nearest", opsets=(9,)),
    c("Upsample", (1, 2, 3, 4), k=[np.array([1, 1, 2, 3], np.float32)], mode="linear", opsets=(9,), wide=False),
    c("Resize", (1, 2, 3, 4), k=[np.array([1, 1, 2, 0.6], np.float32)], mode="nearest", opsets=(10,), wide=False),
    *(
        c("Resize", (1, 2, 5, 4), k=[None, None, i64(1, 2, *new)], opsets=(13,), wide=False, **mode)
        for new in ((7, 8), (3, 3))
        for mode in (
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
            {"mode": "nearest", "coordinate_transformation_mode": "align_corners"},
            {"mode": "linear"},
            {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            {"mode": "cubic", "cubic_coeff_a": -0.5},
            {"mode": "cubic", "exclude_outside": 1, "coordinate_transformation_mode": "asymmetric"},
        )
    ),
    c(
        "Resize",
        (1, 2, 5, 4),
        k=[None, np.array([1, 1, 1.5, 2.5], np.float32)],
        mode="linear",
        opsets=(13,),
        wide=False,
    ),
]
RECURRENT = [
    *(
        c(op, (3, 2, 4), k=[w(d, g * 5, 4), w(d, g * 5, 5), w(d, 2 * g * 5)], hidden_size=5, direction=kind, **more)
        for op, g, outputs in (("LSTM", 4, 3), ("GRU", 3, 2), ("RNN", 1, 2))
        for kind, d in (("forward", 1), ("reverse", 1), ("bidirectional", 2))
        for more in ({"outputs": outputs, "wide": False},)
    ),
    c(
        "LSTM",
        (3, 2, 4),
        k=[w(1, 20, 4), w(1, 20, 5), w(1, 40), None, w(1, 2, 5), w(1, 2, 5)],
        hidden_size=5,
        wide=False,
    ),
    c("GRU", (3, 2, 4), k=[w(1, 15, 4), w(1, 15, 5), w(1, 30)], hidden_size=5, linear_before_reset=1, wide=False),
    c("RNN", (3, 2, 4), k=[w(1, 5, 4), w(1, 5, 5)], hidden_size=5, activations=["Relu"], wide=False),
]
CASES = [
    pytest.param(case, opset, id=f"{case}-{opset}")
    for case in (*DENSE, *CONV, *POOL, *SHAPE, *ARITHMETIC, *REDUCE, *NORMAL, *PLAIN, *RESIZE, *RECURRENT)
    for opset in case.opsets
]


@pytest.mark.parametrize(("case", "opset"), CASES)
def test_operator(case: Case, opset: int, tmp_path: Path) -> None:
    inputs = {f"x{i}": s for i, s in enumerate(case.shapes)}
    constants = [(f"c{i}" if a is not None else "", a) for i, a in enumerate(case.constants)]
    front, back = [*inputs], [n for n, _ in constants]
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, back + front if case.first else front + back, outputs, **case.attributes)
    weights = {n: np.asarray(a) for n, a in constants if a is not None}
    entries = sum(int(np.prod(s)) for s in case.shapes)
    shape = case.shapes[0] if len(case.shapes) == 1 else (entries,)
    proto = typed(model([node], inputs, outputs, weights, opset))
    loaded = check(save(proto, tmp_path), points(shape, low=case.low), case.wide)
    assert (
        loaded.graph.output in ("y0", loaded.graph.input.name) or not loaded.graph.by_name[loaded.graph.output].inputs
    )
