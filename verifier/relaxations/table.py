"""Which relaxation bounds which op. A new nonlinearity is one row."""

from collections.abc import Mapping

from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Ceil, Clip, Floor, LeakyRelu, Relu, Round, Sigmoid, Sign, Tanh
from verifier.graph.ops.pool import Max
from verifier.graph.ops.product import Product
from verifier.relaxations.maximum import Maximum
from verifier.relaxations.piecewise_linear import PiecewiseLinear, ReluRelaxation
from verifier.relaxations.product import ProductRelaxation
from verifier.relaxations.relaxation import Relaxation
from verifier.relaxations.smooth import SShaped
from verifier.relaxations.staircase import Staircase

Table = Mapping[type[Op], Relaxation]

RELAXATIONS: Table = {
    Relu: ReluRelaxation(),
    LeakyRelu: PiecewiseLinear(),
    Clip: PiecewiseLinear(),
    Abs: PiecewiseLinear(),
    Sign: Staircase(),
    Floor: Staircase(),
    Ceil: Staircase(),
    Round: Staircase(),
    Sigmoid: SShaped(),
    Tanh: SShaped(),
    Max: Maximum(),
    Product: ProductRelaxation(),
}
