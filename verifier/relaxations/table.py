"""Which relaxation bounds which op. A new nonlinearity is one row."""

from collections.abc import Mapping

from verifier.graph.op import Op
from verifier.graph.ops.activation import (
    Abs,
    Ceil,
    Clip,
    Floor,
    LeakyRelu,
    NonZero,
    Positive,
    Relu,
    Round,
    Sigmoid,
    Sign,
    Tanh,
    Trunc,
    Wrap,
)
from verifier.graph.ops.place import ArgMost, CutAt, PutAt
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.graph.ops.smooth import (
    Acos,
    Asin,
    Asinh,
    Atan,
    Cos,
    Cosh,
    Elu,
    Erf,
    Exp,
    Exponential,
    Gelu,
    GeluTanh,
    HardSwish,
    Log,
    Mish,
    Power,
    Silu,
    Sin,
    Sinh,
    Softplus,
    Softsign,
)
from verifier.graph.ops.softmax import Softmax
from verifier.relaxations.curved import Curved
from verifier.relaxations.level import ArgMostRelaxation, Cut, Put
from verifier.relaxations.maximum import Maximum
from verifier.relaxations.piecewise_linear import PiecewiseLinear, ReluRelaxation
from verifier.relaxations.product import ProductRelaxation
from verifier.relaxations.relaxation import Relaxation
from verifier.relaxations.s_shaped import SShaped
from verifier.relaxations.softmax import SoftmaxRelaxation
from verifier.relaxations.staircase import Staircase
from verifier.relaxations.wrap import Wrapping

Table = Mapping[type[Op], Relaxation]

CURVES: tuple[type[Op], ...] = (
    Power,
    Exp,
    Exponential,
    Log,
    Sin,
    Cos,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Erf,
    Softplus,
    Softsign,
    Elu,
    Silu,
    Gelu,
    GeluTanh,
    Mish,
    HardSwish,
)

RELAXATIONS: Table = {
    Relu: ReluRelaxation(),
    LeakyRelu: PiecewiseLinear(),
    Clip: PiecewiseLinear(),
    Abs: PiecewiseLinear(),
    Sign: Staircase(),
    Floor: Staircase(),
    Ceil: Staircase(),
    Round: Staircase(),
    Trunc: Staircase(),
    Positive: Staircase(),
    NonZero: Staircase(),
    Wrap: Wrapping(),
    Sigmoid: SShaped(),
    Tanh: SShaped(),
    Max: Maximum(),
    Product: ProductRelaxation(),
    Softmax: SoftmaxRelaxation(),
    CutAt: Cut(),
    PutAt: Put(),
    ArgMost: ArgMostRelaxation(),
    **dict.fromkeys(CURVES, Curved()),
}
