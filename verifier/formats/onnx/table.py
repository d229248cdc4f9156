"""Which function translates which operator; the key is the operator's name, behind its domain where it has one."""

from collections.abc import Callable, Mapping

from verifier.formats.onnx import cast
from verifier.formats.onnx.call import Call
from verifier.formats.onnx.ops import (
    activation,
    arithmetic,
    conv,
    dense,
    functions,
    linear_maps,
    logic,
    moves,
    normalization,
    pool,
    quantize,
    recurrent,
    reduce,
    resize,
    same,
    scatter,
    sequences,
    shape,
    softmax,
)
from verifier.formats.onnx.values import Value

Translator = Callable[[Call], Value | tuple[Value, ...]]

FAMILIES = (
    same,
    cast,
    shape,
    moves,
    scatter,
    dense,
    conv,
    pool,
    arithmetic,
    reduce,
    activation,
    functions,
    softmax,
    normalization,
    logic,
    resize,
    linear_maps,
    quantize,
    recurrent,
    sequences,
)
TRANSLATORS: Mapping[str, Translator] = {key: function for family in FAMILIES for key, function in family.TABLE.items()}


def key(domain: str, op_type: str) -> str:
    return op_type if domain in ("", "ai.onnx") else f"{domain}.{op_type}"
