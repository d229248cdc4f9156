"""Recurrent layers, written out step by step: the number of steps is a shape, so it is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle, real
from verifier.formats.onnx.ops.arithmetic import minus, plus, times
from verifier.formats.onnx.ops.dense import reshape
from verifier.formats.onnx.ops.moves import gathered, pieces
from verifier.formats.onnx.ops.shape import joined, permuted
from verifier.formats.onnx.values import Tensorial, Value, Wire
from verifier.graph.op import Op
from verifier.graph.ops.activation import Relu, Sigmoid, Tanh
from verifier.graph.ops.dense import Linear

ACTIVATIONS: dict[str, Callable[[], Op]] = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": Relu}


@dataclass(frozen=True)
class Layer:
    """One direction: weights `(gates * H, in)`, `(gates * H, H)`, biases `(gates * H)`, start values, activations."""

    w: torch.Tensor
    r: torch.Tensor
    input_bias: torch.Tensor
    own_bias: torch.Tensor
    start: tuple[Wire, ...]
    activations: tuple[Callable[[], Op], ...]
    backwards: bool


State = tuple[Wire, ...]
Step = Callable[[Call, Layer, Wire, State], State]


def lstm_step(call: Call, layer: Layer, x: Wire, state: State) -> State:
    hidden, cell = state
    gates = plus(call, x, call.add(Linear(layer.r, layer.own_bias), hidden))
    i, o, f, c = parts(call, gates, 4)
    first, second, third = layer.activations
    kept = times(call, call.add(first(), f), cell)
    new = plus(call, kept, times(call, call.add(first(), i), call.add(second(), c)))
    return times(call, call.add(first(), o), call.add(third(), new)), new


def gru_step(call: Call, layer: Layer, x: Wire, state: State, reset_after: bool) -> State:
    (hidden,) = state
    size = hidden.shape[-1]
    first, second = layer.activations
    xz, xr, xh = parts(call, x, 3)
    zr = call.add(Linear(layer.r[: 2 * size], layer.own_bias[: 2 * size]), hidden)
    z, r = parts(call, zr, 2)
    update, reset = call.add(first(), plus(call, xz, z)), call.add(first(), plus(call, xr, r))
    last = Linear(layer.r[2 * size :], layer.own_bias[2 * size :])
    inner = times(call, reset, call.add(last, hidden)) if reset_after else call.add(last, times(call, reset, hidden))
    new = call.add(second(), plus(call, xh, inner))
    return (plus(call, new, times(call, update, minus(call, hidden, new))),)


def rnn_step(call: Call, layer: Layer, x: Wire, state: State) -> State:
    own = call.add(Linear(layer.r, layer.own_bias), state[0])
    return (call.add(layer.activations[0](), plus(call, x, own)),)


def parts(call: Call, x: Wire, count: int) -> list[Tensorial]:
    size = x.shape[-1] // count
    return pieces(call, x, [size] * count, len(x.shape) - 1)


def recurrent(gates: int, states: int, defaults: tuple[str, ...], pick: Callable[[Call], Step]):  # type: ignore[no-untyped-def]
    def translate(call: Call) -> tuple[Value, ...]:
        step = pick(call)
        batch_first = bool(call.attr_int("layout", 0))
        x = call.to_wire(permuted(call, call.wire(0), (1, 0, 2)) if batch_first else call.wire(0))
        layers = _layers(call, x, gates, states, defaults, batch_first)
        runs = [_run(call, layer, x, step) for layer in layers]
        every = _stacked(call, [hidden for hidden, _ in runs], 1)
        last = [_stacked(call, [final[k] for _, final in runs], 0) for k in range(states)]
        if batch_first:
            every = permuted(call, every, (2, 0, 1, 3))
            last = [permuted(call, value, (1, 0, 2)) for value in last]
        return (every, *last)

    return translate


def _run(call: Call, layer: Layer, x: Wire, step: Step) -> tuple[Tensorial, State]:
    """All hidden values `(T, N, H)` and the final state `(N, H)` each, of one direction."""
    seen = call.add(Linear(layer.w, layer.input_bias), x)
    steps = range(x.shape[0])
    state, hidden = layer.start, []
    for t in reversed(steps) if layer.backwards else steps:
        now = call.to_wire(gathered(call, seen, np.array(t), 0))
        state = step(call, layer, now, state)
        hidden.append(state[0])
    return _stacked(call, hidden[::-1] if layer.backwards else hidden, 0), state


def _stacked(call: Call, values: list[Wire] | list[Tensorial], axis: int) -> Tensorial:
    wires = [call.to_wire(v) for v in values]
    return joined(call, [reshape(call, w, (*w.shape[:axis], 1, *w.shape[axis:])) for w in wires], axis)


def _layers(call: Call, x: Wire, gates: int, states: int, defaults: tuple[str, ...], batch_first: bool) -> list[Layer]:
    w, r = call.constant(1, "weight").tensor(), call.constant(2, "recurrence").tensor()
    direction = call.attr_text("direction", "forward")
    count, size = w.shape[0], r.shape[2]
    if count != (2 if direction == "bidirectional" else 1) or w.shape[1] != gates * size:
        raise InvalidModel(f"node {call.name}: weights of shape {tuple(w.shape)} for direction {direction}")
    if call.attr_int("hidden_size", size) != size:
        raise InvalidModel(f"node {call.name}: hidden_size differs from its weights")
    bias = call.optional_constant(3, "bias")
    b = torch.zeros(count, 2 * gates * size, dtype=torch.float64) if bias is None else bias.tensor()
    _check_lengths(call, x)
    kinds = _activations(call, defaults, count)
    starts = [_start(call, 5 + k, count, (x.shape[1], size), x, batch_first) for k in range(states)]
    half = gates * size
    return [
        Layer(
            w[d],
            r[d],
            b[d, :half],
            b[d, half:],
            tuple(s[d] for s in starts),
            kinds[d],
            direction == "reverse" or d == 1,
        )
        for d in range(count)
    ]


def _start(call: Call, i: int, count: int, shape: tuple[int, int], like: Wire, batch_first: bool) -> list[Wire]:
    """The state before the first step, zeros where none is given."""
    given = call.optional(i)
    if given is None:
        return [call.add_constant(real(np.zeros(shape), like)) for _ in range(count)]
    if batch_first:
        given = permuted(call, given, (1, 0, 2))
    return [call.to_wire(gathered(call, given, np.array(d), 0)) for d in range(count)]


def _check_lengths(call: Call, x: Wire) -> None:
    lengths = call.optional_constant(4, "sequence lengths")
    if lengths is not None and (lengths.array != x.shape[0]).any():
        raise Obstacle("sequences that end early are not supported")


def _activations(call: Call, defaults: tuple[str, ...], count: int) -> list[tuple[Callable[[], Op], ...]]:
    names = [n.lower() for n in call.attr_texts("activations", list(defaults) * count)]
    unknown = [name for name in names if name not in ACTIVATIONS]
    if unknown or len(names) != len(defaults) * count:
        raise Obstacle(f"its activations {names} are not supported; {', '.join(ACTIVATIONS)} are")
    found = [ACTIVATIONS[name] for name in names]
    return [tuple(found[d * len(defaults) : (d + 1) * len(defaults)]) for d in range(count)]


def _gru(call: Call) -> Step:
    reset_after = bool(call.attr_int("linear_before_reset", 0))
    return lambda call, layer, x, state: gru_step(call, layer, x, state, reset_after)


TABLE = {
    "LSTM": recurrent(4, 2, ("Sigmoid", "Tanh", "Tanh"), lambda call: lstm_step),
    "GRU": recurrent(3, 1, ("Sigmoid", "Tanh"), _gru),
    "RNN": recurrent(1, 1, ("Tanh",), lambda call: rnn_step),
}
