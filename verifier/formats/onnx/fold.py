"""Nodes whose inputs are all constant are computed while loading, integers exactly and real numbers in float64.

What they give counts as the file's weights: a runtime computes it before it runs, too, and in a precision of its own.
Arithmetic on shapes goes the short way through numpy. Anything else runs through its own translator on an empty graph,
and what we don't translate runs in the reference implementation of the onnx package.
"""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Context, Obstacle, whole
from verifier.formats.onnx.cast import cast_constant
from verifier.formats.onnx.slicing import one_slice
from verifier.formats.onnx.table import TRANSLATORS, key
from verifier.formats.onnx.values import INTEGER, Const, Value, Wire, constant, is_integer, is_real, rounded
from verifier.graph.build import Builder
from verifier.graph.op import Affine

EXACT = 2**53  # float64 holds every integer up to here
RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
ROUNDING = {"Add", "Sub", "Mul", "Div", "Range", "ReduceProd"}  # of those that go the short way
DEFERRED = {"If", "Loop", "Scan", "SequenceMap"}


def fold(call: Call) -> tuple[Value, ...] | None:
    """The node's outputs, or None where it depends on the network's input or must be seen by its translator."""
    inputs = list(call.inputs)
    constants = [value for value in inputs if isinstance(value, Const)]
    if not inputs or len(constants) != sum(value is not None for value in inputs):
        return None
    name = key(call.node.domain, call.node.op_type)
    if name in DEFERRED:
        return None
    if name in RANDOM:
        raise Obstacle("its output is random")
    if name in FOLDS and (result := FOLDS[name](call)) is not None:
        if name in ROUNDING and is_real(result.type):
            call.rounds()
        return _complete(call, (result,))
    large = any(is_integer(c.type) and c.array.size and np.abs(c.array).max() > EXACT for c in constants)
    if name in TRANSLATORS and not large:
        return _by_translator(call, name, inputs)
    return _by_reference(call, inputs)


def _complete(call: Call, result: tuple[Value, ...]) -> tuple[Value, ...]:
    """The result, if everything that the node states was looked at."""
    if call.unread():
        raise Obstacle(f"{', '.join(call.unread())} is not supported")
    return result


def _by_translator(call: Call, name: str, inputs: list[Value | None]) -> tuple[Value, ...]:
    builder = Builder("", ())
    scratch = Call(Context(builder, call.context.opset, frozenset()), call.node, inputs)
    result = TRANSLATORS[name](scratch)
    _complete(scratch, ())
    values = result if isinstance(result, tuple) else (result,)
    computed = not all(isinstance(op, Affine) and op.moves for op, _ in scratch.context.made.values())
    if computed and any(isinstance(value, Wire) and is_real(value.type) for value in values):
        call.rounds()
    return tuple(_constant_of(value, builder) for value in values)


def _constant_of(value: Value, builder: Builder) -> Value:
    if not isinstance(value, Wire):
        return value
    array = builder.sample(value.node)[0].numpy()
    if value.type == TensorProto.BOOL:
        return Const(array != 0, value.type)
    if value.type in INTEGER:
        return Const(array.astype(INTEGER[value.type]), value.type)
    return Const(array, value.type)


def _by_reference(call: Call, inputs: list[Value | None]) -> tuple[Value, ...]:
    """Last resort; imported here, because few files need it."""
    if call.node.domain not in ("", "ai.onnx", "ai.onnx.ml"):
        raise Obstacle("unknown operator")
    from onnx.reference import ReferenceEvaluator

    names = [f"x{i}" if value is not None else "" for i, value in enumerate(inputs)]
    node = helper.make_node(call.node.op_type, names, [f"y{i}" for i in range(len(call.outputs))])
    node.attribute.extend(call.node.attribute)
    graph = helper.make_graph([node], "fold", [_info(n) for n in names if n], [_info(n) for n in node.output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in call.context.opset.items()])
    feeds = {n: value.array for n, value in zip(names, inputs, strict=True) if isinstance(value, Const)}
    try:
        results = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:
        raise Obstacle(f"not supported, and it can't be computed as a constant either ({error})") from error
    call.rounds()
    like = next((v.type for v in inputs if isinstance(v, Const) and is_real(v.type)), TensorProto.FLOAT)
    return tuple(constant(np.asarray(r), like if np.asarray(r).dtype.kind == "f" else None) for r in results)


def _info(name: str):  # type: ignore[no-untyped-def]
    return helper.make_empty_tensor_value_info(name)


# The short way


def _binary(function: Callable[[np.ndarray, np.ndarray], np.ndarray], type: int | None = None):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> Const | None:
        if call.opset < 7:
            return None
        a, b = call.constant(0, "operand"), call.constant(1, "operand")
        call.broadcast(a, b)
        with np.errstate(all="ignore"):
            return Const(np.asarray(function(a.array, b.array)), a.type if type is None else type)

    return translate


def _div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    if (b == 0).any():
        raise InvalidModel("an integer constant is divided by zero")
    quotient = np.abs(a) // np.abs(b)
    return np.asarray(np.where((a < 0) != (b < 0), -quotient, quotient).astype(a.dtype))


def _discrete(function: Callable[[np.ndarray], np.ndarray]):  # type: ignore[no-untyped-def]
    """Functions that jump: the file's own precision decides."""

    def translate(call: Call) -> Const:
        x = call.constant(0, "input")
        return Const(np.asarray(function(rounded(x))), x.type) if is_real(x.type) else x

    return translate


def _cast(call: Call) -> Const:
    call.ignore("saturate", "round_mode")
    return cast_constant(call.constant(0, "input"), call.attr_int("to"))


def _gather(call: Call) -> Const:
    x, index = call.constant(0, "data"), call.constant(1, "indices")
    axis = call.axis(call.attr_int("axis", 0), len(x.shape))
    call.admit((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))
    return Const(np.take(x.array, index.array, axis=axis), x.type)


def _concat(call: Call) -> Const:
    parts = [call.constant(i, "input") for i in range(call.count)]
    axis = call.attr_int("axis", 1 if call.opset < 4 else None)
    call.admit((sum(p.array.size for p in parts),))
    return Const(np.concatenate([p.array for p in parts], axis=axis), parts[0].type)


def _range(call: Call) -> Const:
    start, limit, delta = (call.constant(i, "bound") for i in range(3))
    ends = [rounded(v).reshape(-1)[0] for v in (start, limit, delta)]
    if ends[2] == 0:
        raise InvalidModel(f"node {call.name}: a range with step zero")
    count = max(int(np.ceil((ends[1] - ends[0]) / ends[2])), 0)
    call.admit((count,))
    return Const((ends[0] + np.arange(count) * ends[2]).astype(start.array.dtype), start.type)


def _where(call: Call) -> Const:
    choose, a, b = (call.constant(i, "input") for i in range(3))
    call.broadcast(choose, a, b)
    return Const(np.where(choose.array, a.array, b.array), a.type)


def _reduce_prod(call: Call) -> Const | None:
    x = call.constant(0, "input")
    if call.count > 1 or call.has("noop_with_empty_axes"):
        return None
    axes = tuple(call.attr_ints("axes")) if call.has("axes") else None
    return Const(np.asarray(np.prod(x.array, axis=axes, keepdims=bool(call.attr_int("keepdims", 1)))), x.type)


def _not(call: Call) -> Const:
    return Const(~call.constant(0, "input").array.astype(bool), TensorProto.BOOL)


def _slice(call: Call) -> Const | None:
    if call.opset < 10:
        return None
    x = call.constant(0, "data")
    starts, ends = (whole(call.constant(i, what), what) for i, what in ((1, "starts"), (2, "ends")))
    axes = call.integers(3, "axes") if call.optional(3) is not None else list(range(len(starts)))
    steps = call.integers(4, "steps") if call.optional(4) is not None else [1] * len(starts)
    index: list[slice] = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[call.axis(axis, len(x.shape))] = one_slice(start, end, step, x.shape[axis])
    return Const(x.array[tuple(index)], x.type)


FOLDS: dict[str, Callable[[Call], Const | None]] = {
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_div),
    "Equal": _binary(np.equal, TensorProto.BOOL),
    "Less": _binary(np.less, TensorProto.BOOL),
    "LessOrEqual": _binary(np.less_equal, TensorProto.BOOL),
    "Greater": _binary(np.greater, TensorProto.BOOL),
    "GreaterOrEqual": _binary(np.greater_equal, TensorProto.BOOL),
    "And": _binary(np.logical_and, TensorProto.BOOL),
    "Or": _binary(np.logical_or, TensorProto.BOOL),
    "Xor": _binary(np.logical_xor, TensorProto.BOOL),
    "Not": _not,
    "Floor": _discrete(np.floor),
    "Ceil": _discrete(np.ceil),
    "Round": _discrete(np.rint),
    "Cast": _cast,
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Range": _range,
    "Where": _where,
    "ReduceProd": _reduce_prod,
}
