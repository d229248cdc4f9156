"""Constants as parameters: the same numbers in any layout, and large ones without a copy."""

import numpy as np
import pytest

from verifier.formats.onnx.values import constant

ARRAY = np.arange(6.0).reshape(2, 3)
LAYOUTS = {
    "rows": ARRAY,
    "transposed": ARRAY.T,
    "flipped": ARRAY[::-1],
    "both": ARRAY.T[::-1],
    "a column": ARRAY[:, :1],
    "spread": np.broadcast_to(ARRAY[:1], (4, 3)),
    "number": np.asarray(2.0),
}


@pytest.mark.parametrize("array", LAYOUTS.values(), ids=LAYOUTS)
def test_numbers_stay_where_they_are(array):
    tensor = constant(array).tensor()
    assert tensor.shape == array.shape
    assert np.array_equal(tensor.numpy(), array)


def test_a_transposed_matrix_is_not_copied():
    value = constant(ARRAY.T)
    assert np.shares_memory(value.tensor().numpy(), value.array)
