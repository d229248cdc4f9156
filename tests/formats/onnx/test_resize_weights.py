"""Weights of a resize that are zero in exact arithmetic are zero."""

from fractions import Fraction

import numpy as np
import pytest

from verifier.formats.onnx.ops.interpolation import Axis, matrix


@pytest.mark.parametrize("size", range(1, 24))
@pytest.mark.parametrize("out", [1, 2, 3, 5, 7, 9, 12, 21])
def test_linear_weights_against_fractions(size: int, out: int) -> None:
    weights = matrix(Axis(size, out, out / size, "half_pixel"), "linear", "", -0.75, False)
    for i, row in enumerate(weights):
        place = min(max((i + Fraction(1, 2)) * size / out - Fraction(1, 2), Fraction(0)), Fraction(size - 1))
        exact = [max(Fraction(0), 1 - abs(place - k)) for k in range(size)]
        np.testing.assert_allclose(row, [float(w) for w in exact], rtol=1e-12, atol=0)
