"""Sums, products, quotients: affine where one side is constant."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.ops.activation import scalar
from verifier.formats.onnx.values import Const, Tensorial, Value, Wire, is_integer
from verifier.graph.ops.dense import Scale, Shift, Sum
from verifier.graph.ops.opaque import Pointwise
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Stack
from verifier.graph.ops.smooth import Power


def truncated_quotient(a: Tensor, b: Tensor) -> Tensor:
    """Integer division as ONNX has it, towards zero."""
    return (a / b).trunc()


def operands(call: Call) -> tuple[Tensorial, Tensorial]:
    """The two inputs; before opset 7 the second is aligned by `axis` and `broadcast`."""
    a, b = call.value(0), call.value(1)
    call.ignore("consumed_inputs")
    if call.opset < 7 and call.attr_int("broadcast", 0) and len(b.shape) < len(a.shape):
        first = call.attr_int("axis", len(a.shape) - len(b.shape))
        b = _aligned(b, len(a.shape) - first - len(b.shape))
    call.broadcast(a, b)
    return a, b


def _aligned(b: Tensorial, behind: int) -> Tensorial:
    if behind <= 0:
        return b
    if isinstance(b, Const):
        return Const(b.array.reshape(*b.shape, *(1,) * behind), b.type)
    raise Obstacle("broadcasting by `axis` (before opset 7) of a value that depends on the network's input")


def add(call: Call) -> Value:
    return plus(call, *operands(call))


def plus(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        x = call.to_wire(a)
        return x if neutral(call, b, 0, x) else call.add(Shift(b.tensor()), x)
    return call.add(Sum((1, 1)), a, b)


def sub(call: Call) -> Value:
    return minus(call, *operands(call))


def neutral(call: Call, constant: Const, value: int, x: Wire) -> bool:
    """Does combining `x` with the constant, all `value`, give `x` itself? A node less is one less that is rounded."""
    return bool((constant.array == value).all()) and call.broadcast(constant, x) == x.shape


def minus(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    if isinstance(b, Const):
        return plus(call, a, Const(-b.array.astype(np.float64), b.type))
    if isinstance(a, Const):
        return plus(call, a, negative(call, b))
    return call.add(Sum((1, -1)), a, b)


def negative(call: Call, x: Tensorial) -> Wire:
    return call.add(Scale(scalar(-1.0)), x)


def neg(call: Call) -> Value:
    return negative(call, call.value(0))


def mul(call: Call) -> Value:
    return times(call, *operands(call))


def times(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        x = call.to_wire(a)
        return x if neutral(call, b, 1, x) else call.add(Scale(b.tensor()), x)
    if a == b:
        return call.add(Power(2.0), a)
    return call.add(Product(), call.add(Stack(), a, b))


def div(call: Call) -> Value:
    a, b = operands(call)
    if is_integer(a.type):
        if isinstance(b, Const) and (b.array == 0).any():
            raise InvalidModel(f"node {call.name}: division by zero")
        return call.add(Pointwise("IntegerDiv", truncated_quotient), a, b)
    return over(call, a, b)


def over(call: Call, a: Tensorial, b: Tensorial) -> Wire:
    if isinstance(b, Const):
        if (b.array == 0).any():
            raise InvalidModel(f"node {call.name}: division by zero")
        return call.divided(a, b)
    inverse = call.add(Power(-1.0), b, type=a.type)
    if isinstance(a, Const):
        return call.add(Scale(a.tensor()), inverse)
    return call.add(Product(), call.add(Stack(), a, inverse))


def sum_all(call: Call) -> Value:
    return total(call, call.values())


def mean_all(call: Call) -> Value:
    values = call.values()
    return call.divided(total(call, values), real(len(values), values[0]))


def total(call: Call, values: list[Tensorial]) -> Wire:
    """Sum of several: the constants among them become one shift."""
    call.broadcast(*values)
    wires = [v for v in values if isinstance(v, Wire)]
    constants = [v for v in values if isinstance(v, Const)]
    if not wires:
        return fold_left(call, values, plus)
    out = wires[0] if len(wires) == 1 else call.add(Sum((1,) * len(wires)), *wires)
    if constants:
        bias = sum((c.array for c in constants[1:]), start=constants[0].array)
        if len(constants) > 1:
            call.rounds()
        out = call.add(Shift(real(np.asarray(bias), out).tensor()), out)
    return out


def fold_left(call: Call, values: list[Tensorial], join: Callable[[Call, Tensorial, Tensorial], Wire]) -> Wire:
    out = call.to_wire(values[0])
    for value in values[1:]:
        out = join(call, out, value)
    return out


TABLE = {"Add": add, "Sub": sub, "Mul": mul, "Div": div, "Neg": neg, "Sum": sum_all, "Mean": mean_all}
