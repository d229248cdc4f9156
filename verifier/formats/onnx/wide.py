"""The file in float64 by the reference implementation of the onnx package: slow, independent, without float32 noise."""

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from verifier.formats.onnx.structure import subgraphs

COARSE = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


class WideReference:
    """Runs a model whose real numbers were all made float64. Raises whatever the reference raises."""

    def __init__(self, model: ModelProto) -> None:
        from onnx.reference import ReferenceEvaluator

        self._run = ReferenceEvaluator(widened(model), new_ops=[batch_normalization()]).run

    def __call__(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        wide = {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in feeds.items()}
        return [np.asarray(out) for out in self._run(None, wide)]


def batch_normalization() -> type:
    """The reference (seen in 1.23) takes files before opset 14 for training ones and normalises by their batch."""
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):
        op_domain = ""

        def _run(self, x, scale, bias, mean, variance, **attributes):  # type: ignore[no-untyped-def]
            scale, bias, mean, variance = (v.reshape(-1, *(1,) * (x.ndim - 2)) for v in (scale, bias, mean, variance))
            return (scale * (x - mean) / np.sqrt(variance + attributes["epsilon"]) + bias,)

    return BatchNormalization


def widened(model: ModelProto) -> ModelProto:
    """A copy in float64; the weights keep their values."""
    wide = ModelProto()
    wide.CopyFrom(model)
    _graph(wide.graph)
    return wide


def _graph(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _tensor(tensor)
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in COARSE:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        _node(node)
        for inner in subgraphs(node):
            _graph(inner)


def _tensor(tensor: TensorProto) -> None:
    if tensor.data_type in COARSE:
        array = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _node(node: NodeProto) -> None:
    if node.op_type == "Constant":
        _constant(node)
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            _tensor(attribute.t)
        elif attribute.name == "stash_type" or (
            attribute.name in ("to", "dtype") and attribute.type == AttributeProto.INT and attribute.i in COARSE
        ):
            attribute.i = TensorProto.DOUBLE


def _constant(node: NodeProto) -> None:
    """Numbers written as attributes would come out as float32."""
    (attribute,) = node.attribute
    if attribute.name in ("value_float", "value_floats"):
        array = np.array(helper.get_attribute_value(attribute), dtype=np.float64)
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(array)))
