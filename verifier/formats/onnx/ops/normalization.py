"""Normalisations. With constant statistics they are affine; the others are written in means, squares and roots."""

import numpy as np
import torch

from verifier.errors import InvalidModel
from verifier.formats.onnx.call import Call, Obstacle
from verifier.formats.onnx.values import Const, Value
from verifier.graph.ops.dense import Scale, Shift


def batch_normalization(call: Call) -> Value:
    """Three ops, so that no bias is computed by a cancelling difference."""
    x = call.value(0)
    gamma, beta, mean, variance = (
        call.constant(i, what).array for i, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    epsilon = call.attr_float("epsilon", 1e-5)
    call.ignore("momentum", "consumed_inputs")
    if call.attr_int("training_mode", 0) or (call.opset < 7 and not call.attr_int("is_test", 0)):
        raise Obstacle("training mode: it would normalise by the statistics of the batch")
    if not call.attr_int("spatial", 1):
        raise Obstacle("spatial=0 is not supported")
    if (variance + epsilon <= 0).any():
        raise InvalidModel(f"node {call.name}: a variance that is not positive")
    out = call.add(Shift(channels(-mean, x.shape)), x)
    out = call.add(Scale(channels(gamma / np.sqrt(variance + epsilon), x.shape)), out)
    return call.add(Shift(channels(beta, x.shape)), out)


def channels(values: np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """One number per channel, ready to broadcast against `(N, C, *space)`."""
    return Const(values.reshape(-1, *(1,) * max(len(shape) - 2, 0)), 0).tensor()


TABLE = {"BatchNormalization": batch_normalization}
