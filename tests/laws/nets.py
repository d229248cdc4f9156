"""Random small networks in float64, made from the names of their layers and a seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.lower import Window, divisors, window_index
from verifier.graph.op import Op
from verifier.graph.ops.activation import (
    Abs,
    Ceil,
    Clip,
    Floor,
    LeakyRelu,
    Positive,
    Relu,
    Round,
    Sigmoid,
    Sign,
    Tanh,
    Wrap,
)
from verifier.graph.ops.conv import Conv, ConvTranspose
from verifier.graph.ops.dense import Linear, Multiply, Reduce, Scale, Shift, Sum
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.shape import Concat, Gather, Pad, Pick, Reshape, Stack, Transpose
from verifier.graph.ops.smooth import Exp, Gelu, Power, Sin
from verifier.graph.ops.softmax import Differences, Softmax

LARGEST = 72  # entries of a node; beyond that layers that grow are left out


class Grower:
    """A network under construction: a builder, the node to go on from, and a source of randomness."""

    def __init__(self, shape: tuple[int, ...], seed: int, scale: float) -> None:
        self.gen = Generator().manual_seed(seed)
        self.builder, self.scale = Builder("x", shape), scale
        self.at = self.builder.input

    @property
    def shape(self) -> tuple[int, ...]:
        return self.builder.shape(self.at)

    @property
    def size(self) -> int:
        return torch.Size(self.shape).numel()

    @property
    def image(self) -> bool:
        return len(self.shape) == 4

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.gen, dtype=torch.float64)

    def weight(self, *shape: int) -> Tensor:
        """Of a layer that keeps sizes about as they are, times the network's scale."""
        fan = max(1, torch.Size(shape[1:]).numel())
        return self.normal(*shape) * self.scale / fan**0.5

    def pick(self, low: int, high: int) -> int:
        """A random integer from `low` to `high`, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.gen))

    def add(self, op: Op, *inputs: str) -> str:
        self.at = self.builder.add(op, *(inputs or (self.at,)), name=op.label.lower())
        return self.at


def _flat(g: Grower) -> None:
    if g.image or len(g.shape) != 1:
        g.add(Reshape((g.size,)))


def _linear(g: Grower) -> None:
    _flat(g)
    out = g.pick(2, 5)
    g.add(Linear(g.weight(out, g.size), g.normal(out) * 0.3 if g.pick(0, 2) else None))


def _multiply(g: Grower) -> None:
    if len(g.shape) < 2:
        g.add(Reshape((1, g.size)))
    left = bool(g.pick(0, 1))
    shape = (g.pick(1, 3), g.shape[-2]) if left else (g.shape[-1], g.pick(1, 3))
    g.add(Multiply(g.weight(*shape), left))


def _window(g: Grower, kernel: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Stride, padding and dilation of a convolution that fits."""
    height, width = g.shape[2:]
    padding = (g.pick(0, 1), g.pick(0, 1))
    room = min(height + 2 * padding[0], width + 2 * padding[1])
    dilation = 2 if kernel == 2 and room >= 3 and g.pick(0, 1) else 1
    return (g.pick(1, 2), g.pick(1, 2)), padding, (dilation, dilation)


def _conv(g: Grower) -> None:
    if not g.image:
        return _linear(g)
    channels = g.shape[1]
    kernel = min(g.pick(1, 3), *g.shape[2:])
    stride, padding, dilation = _window(g, kernel)
    groups = channels if g.pick(0, 2) == 0 else 1
    out = channels if groups > 1 else g.pick(1, 3)
    bias = g.normal(out) * 0.3 if g.pick(0, 2) else None
    g.add(Conv(g.weight(out, channels // groups, kernel, kernel), bias, stride, padding, dilation, groups))
    return None


def _conv_transpose(g: Grower) -> None:
    if not g.image or g.size > LARGEST // 2:
        return _conv(g)
    out, stride = g.pick(1, 2), (g.pick(1, 2), 1)
    g.add(ConvTranspose(g.weight(g.shape[1], out, 2, 2), g.normal(out), stride, (0, 0), (0, 0), (1, 1), 1))
    return None


def _windows(g: Grower) -> list[Window]:
    return [Window(n, min(2, n), g.pick(1, 2), before=0, after=int(n == 3)) for n in g.shape[2:]]


def _average(g: Grower) -> None:
    """Average pooling as both doors write it: a depthwise convolution and a division."""
    if not g.image:
        return _reduce(g)
    channels, (height, width) = g.shape[1], g.shape[2:]
    kernel, stride = (min(2, height), min(2, width)), (g.pick(1, 2), g.pick(1, 2))
    windows = [Window(n, k, s) for n, k, s in zip((height, width), kernel, stride, strict=True)]
    g.add(Conv(torch.ones(channels, 1, *kernel, dtype=torch.float64), None, stride, (0, 0), (1, 1), channels))
    g.add(Scale(1 / divisors(windows, True)))
    return None


def _max(g: Grower) -> None:
    """Max pooling as both doors write it; of a vector the maxima of neighbours."""
    if g.image:
        g.add(Pick(window_index(g.shape[:2], _windows(g))))
    else:
        flat = torch.arange(g.size)
        g.add(Pick(torch.stack([flat, flat.roll(1)], dim=1)))
    g.add(Max())


def _norm(g: Grower) -> None:
    """Batch normalisation in inference."""
    shape = (g.shape[1], 1, 1) if g.image else (g.shape[-1],)
    g.add(Shift(g.normal(*shape)))
    g.add(Scale(g.normal(*shape)))
    g.add(Shift(g.normal(*shape)))


def _residual(g: Grower) -> None:
    """`activation(affine(x)) + x`, or their difference."""
    start = g.at
    if g.image:
        channels = g.shape[1]
        g.add(Conv(g.weight(channels, channels, 3, 3), g.normal(channels), (1, 1), (1, 1), (1, 1), 1))
    else:
        g.add(Linear(g.weight(g.shape[-1], g.shape[-1]), g.normal(g.shape[-1])))
    g.add(Relu() if g.pick(0, 1) else Tanh())
    g.add(Sum((1, 1 - 2 * g.pick(0, 1))), g.at, start)


def _branches(g: Grower) -> None:
    """Two nonlinear branches of one node that meet again."""
    start, ends = g.at, []
    for _ in range(2):
        g.at = start
        _norm(g)
        ends.append(g.add(Relu()))
    g.add(Sum((1, -1)), *ends)


def _double(g: Grower) -> None:
    g.add(Sum((1, 1)), g.at, g.at)


def _cancel(g: Grower) -> None:
    """`x - x + relu(x)`: the first two cancel, but not their intervals."""
    start = g.at
    g.add(Sum((1, -1, 1)), start, start, g.add(Relu()))


def _concat(g: Grower) -> None:
    if g.size > LARGEST // 2:
        return
    start = g.at
    g.add(Concat(1 if g.image else len(g.shape) - 1), start, g.add(LeakyRelu(torch.tensor(0.1, dtype=torch.float64))))


def _number(g: Grower) -> None:
    """A single number without axes, bent and shifted in turn, beside all entries."""
    start = g.at
    g.add(Reduce(tuple(range(len(g.shape))), keepdim=False))
    for op in (Abs(), Shift(g.normal()), LeakyRelu(torch.tensor(0.3, dtype=torch.float64))):
        g.add(op)
    g.add(Sum((1, -1)), start, g.at)


def _constant(g: Grower) -> None:
    """Something that a node computes from a constant only."""
    start = g.at
    constant = g.builder.constant(g.normal(*g.shape), "constant")
    g.add(Sum((1, 1)), start, g.add(Sigmoid(), constant))


def _pad(g: Grower) -> None:
    """Padded before and cropped behind, or the other way round."""
    if not g.image or min(g.shape[2:]) < 2:
        return
    pads = ((0, 0), (0, 0), (1, -1), (-1, 1)) if g.pick(0, 1) else ((0, 0), (0, 0), (-1, 0), (1, 0))
    g.add(Pad(pads, fill=0.25 * g.pick(0, 2)))


def _transpose(g: Grower) -> None:
    if g.image:
        g.add(Transpose((0, 1, 3, 2)))
    elif g.size % 2 == 0:
        g.add(Reshape((2, g.size // 2)))
        g.add(Transpose((1, 0)))
        g.add(Reshape((g.size,)))


def _gather(g: Grower) -> None:
    axis = len(g.shape) - 1
    g.add(Gather(torch.tensor([g.pick(0, g.shape[axis] - 1) for _ in range(g.shape[axis])]), axis))


def _reduce(g: Grower) -> None:
    axis = len(g.shape) - 1
    if g.size // g.shape[axis] >= 2:
        g.add(Reduce((axis,), keepdim=g.image))


def _prelu(g: Grower) -> None:
    shape = (g.shape[1], 1, 1) if g.image else (g.shape[-1],)
    g.add(LeakyRelu(g.normal(*shape)))


def _clip(g: Grower) -> None:
    g.add(Clip(torch.tensor(-0.5, dtype=torch.float64), torch.tensor(0.25 + g.pick(0, 4), dtype=torch.float64)))


def _plain(op: Op) -> Callable[[Grower], None]:
    def layer(g: Grower) -> None:
        g.add(op)

    return layer


def _exp(g: Grower) -> None:
    """Of what can't grow beyond 1."""
    g.add(Tanh())
    g.add(Exp())


def _product(g: Grower) -> None:
    """Of a node and an affine image of it."""
    start = g.at
    g.add(Linear(g.weight(g.shape[-1], g.shape[-1]), g.normal(g.shape[-1])))
    g.add(Stack(), start, g.at)
    g.add(Product())


def _standardise(g: Grower) -> None:
    """Over the root of the mean square, as in normalisations."""
    start, axis = g.at, len(g.shape) - 1
    g.add(Power(2.0))
    g.add(Reduce((axis,), keepdim=True))
    g.add(Shift(torch.tensor(0.1, dtype=torch.float64)))
    g.add(Power(-0.5))
    g.add(Stack(), start, g.at)
    g.add(Product())


def _shares(g: Grower) -> None:
    if g.shape[-1] <= 5:
        g.add(Differences())
        g.add(Softmax(whole=True))


def _choice(g: Grower) -> None:
    """The argument where it is positive, else its absolute value times a number."""
    start = g.at
    truth = g.add(Positive(), start)
    g.add(Stack(), truth, start)
    chosen = g.add(Product())
    g.add(Abs(), start)
    g.add(Scale(torch.tensor(0.5, dtype=torch.float64)))
    g.add(Sum((1, -1)), chosen, g.at)


def _wrap(g: Grower) -> None:
    """Whole numbers of three bits."""
    g.add(Round())
    g.add(Wrap(3, True))


AFFINE: dict[str, Callable[[Grower], None]] = {
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "average": _average,
    "norm": _norm,
    "double": _double,
    "pad": _pad,
    "transpose": _transpose,
    "gather": _gather,
    "reduce": _reduce,
    "multiply": _multiply,
}
PIECEWISE: dict[str, Callable[[Grower], None]] = {
    "relu": _plain(Relu()),
    "prelu": _prelu,
    "clip": _clip,
    "abs": _plain(Abs()),
    "max": _max,
    "branches": _branches,
    "cancel": _cancel,
    "concat": _concat,
    "number": _number,
}
SMOOTH: dict[str, Callable[[Grower], None]] = {
    "sigmoid": _plain(Sigmoid()),
    "tanh": _plain(Tanh()),
    "residual": _residual,
    "constant": _constant,
}
STEPS: dict[str, Callable[[Grower], None]] = {
    "sign": _plain(Sign()),
    "round": _plain(Round()),
    "floor": _plain(Floor()),
    "ceil": _plain(Ceil()),
    "wrap": _wrap,
}
CURVED: dict[str, Callable[[Grower], None]] = {
    "square": _plain(Power(2.0)),
    "cube": _plain(Power(3.0)),
    "sin": _plain(Sin()),
    "gelu": _plain(Gelu()),
    "exp": _exp,
    "product": _product,
    "standardise": _standardise,
    "shares": _shares,
    "choice": _choice,
}
LAYERS = {**AFFINE, **PIECEWISE, **SMOOTH, **STEPS}
ALL = {**LAYERS, **CURVED}


def network(shape: tuple[int, ...], layers: Sequence[str], seed: int, scale: float = 1.0, outputs: int = 3) -> Graph:
    """The layers of these names in turn, then a linear one with `outputs` entries."""
    g = Grower(shape, seed, scale)
    for name in layers:
        if g.size <= LARGEST or name not in AFFINE:
            ALL[name](g)
    _flat(g)
    g.add(Linear(g.weight(outputs, g.size), g.normal(outputs) * 0.3))
    return g.builder.finish(g.at, {})
