"""Which function translates which operator; the key is the operator's name, behind its domain where it has one."""

from collections.abc import Callable, Mapping

from verifier.formats.onnx import cast
from verifier.formats.onnx.call import Call
from verifier.formats.onnx.ops import activation, arithmetic, conv, dense, normalization, same, shape
from verifier.formats.onnx.values import Value

Translator = Callable[[Call], Value | tuple[Value, ...]]

FAMILIES = (same, cast, shape, dense, conv, arithmetic, activation, normalization)
TRANSLATORS: Mapping[str, Translator] = {key: function for family in FAMILIES for key, function in family.TABLE.items()}


def key(domain: str, op_type: str) -> str:
    return op_type if domain in ("", "ai.onnx") else f"{domain}.{op_type}"
