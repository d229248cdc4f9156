"""What a network loses that is computed in a dtype, whatever the order of its sums.

Functions beyond sums, products and comparisons (sigmoid, exp) have no error bounds that a runtime promises; `FUNCTION`
units are assumed.
"""

import math

import torch
from torch import Tensor

from verifier.graph.op import Op
from verifier.graph.ops.activation import Abs, Clip, Relu, Sigmoid, Step, Wrap
from verifier.graph.ops.pool import Max
from verifier.graph.ops.smooth import Elu, Gelu, GeluTanh, HardSwish, Mish, Power, Silu
from verifier.graph.ops.softmax import Softmax
from verifier.numerics import gamma, unit_roundoff

SELECTING = (Relu, Clip, Max, Abs, Step, Wrap)  # of their arguments and parameters: nothing is rounded
FUNCTION = 16  # units of roundoff, of the largest value on the way, by which a deployed function may be wrong


def lost_in_sum(dtype: torch.dtype, terms: int, reach: Tensor) -> Tensor:
    """By a sum of `terms` products whose absolute values sum to `reach`; infinite where nothing useful can be said."""
    relative = gamma(terms, dtype) if terms * unit_roundoff(dtype) < 0.25 else math.inf
    return relative * reach + terms * underflow(dtype)


def lost_in_function(dtype: torch.dtype, op: Op, reach: Tensor, value: Tensor) -> Tensor:
    """By a nonlinearity whose arguments are `reach (B, *)` at most, and its values `value (B, *)`."""
    if isinstance(op, SELECTING):
        return torch.zeros_like(value)
    if isinstance(op, Power) and op.exponent == -0.5:
        return torch.full_like(value, math.inf)  # a norm: runtimes fuse it, and compute variances as they like
    units = FUNCTION + (2 * reach.shape[-1] if isinstance(op, Softmax) else 0)
    return units * unit_roundoff(dtype) * (value + cancelled(op, reach)) + underflow(dtype)


def cancelled(op: Op, reach: Tensor) -> Tensor | float:
    """The size of what a runtime may subtract from each other to get a function: ONNX Runtime's sigmoid(-27) is 0, its
    elu(-1e-9) is 0, and its gelu(-7.2) is 0, each right up to rounding of these."""
    match op:
        case Sigmoid():
            return 1.0
        case Elu():
            return abs(op.scale * op.alpha)
        case Gelu() | GeluTanh() | Silu() | Mish() | HardSwish():
            return reach
    return 0.0


def underflow(dtype: torch.dtype) -> float:
    """What one product, or one denormal number that is flushed to zero, loses."""
    return 2 * torch.finfo(dtype).tiny
