"""A file that can't be translated, as a graph of one node that another engine runs.

Nothing can be proved about it, but inputs can be tried: many questions about such networks are answered by the middle
of their region.
"""

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor

from verifier.errors import UnsupportedModel
from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.onnx.inputs import Feed
from verifier.formats.onnx.values import Tensorial, Wire
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.opaque import Batchwise


def as_one_node(
    model: ModelProto, feeds: tuple[Feed, ...], tensors: tuple[str, ...], evaluator: OrtEvaluator, why: UnsupportedModel
) -> tuple[Graph, dict[str, Tensorial]]:
    """The graph, and what the tensors turn out to be. Raises `why` where the engine can't run the file, too."""
    (name, shape) = (feeds[0].name, feeds[0].shape) if len(feeds) == 1 else ("inputs", (sum(f.entries for f in feeds),))
    builder = Builder(name, shape)
    try:
        found = evaluator.trace(np.zeros(shape, np.float32), tensors)
        node = builder.add(Batchwise(f"the whole of {why}", Engine(evaluator)), builder.input, name="network")
    except Exception:  # whatever an engine says of a file that we don't know
        raise why from None
    if set(found) != set(tensors):
        raise why
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    wires: dict[str, Tensorial] = {
        key: Wire(node, value.shape, onnx.helper.np_dtype_to_tensor_dtype(value.dtype)) for key, value in found.items()
    }
    return builder.finish(node, metadata), wires


class Engine:
    """`(B, *in)` to `(B, *out)` without gradients, whatever the dtype and the device."""

    def __init__(self, evaluator: OrtEvaluator) -> None:
        self.evaluator = evaluator

    def __call__(self, x: Tensor) -> Tensor:
        out = self.evaluator(x.detach().to("cpu", torch.float32).numpy())
        return torch.from_numpy(np.asarray(out)).to(x)
