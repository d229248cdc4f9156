"""The file as whoever deploys it runs it: all of it, in ONNX Runtime with its own settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto

from verifier.formats.onnx.declared import inputs_of
from verifier.formats.onnx.evaluator import session
from verifier.formats.onnx.external import embed_external
from verifier.formats.onnx.source import read_model
from verifier.formats.onnx.values import PRECISION


def run_file(
    path: Path, inputs: Sequence[np.ndarray], inner: Sequence[str] = ()
) -> tuple[list[np.ndarray], Mapping[str, np.ndarray]]:
    """All outputs in the file's order, and the tensors called `inner`, which a second run shows.

    `inputs` are in the file's order and have the shapes that it is to be run with.
    """
    model = read_model(path)
    embed_external(model, path.parent)
    infos = inputs_of(model, len(inputs))
    feeds = {
        info.name: np.ascontiguousarray(x, dtype=PRECISION[info.type.tensor_type.elem_type])
        for info, x in zip(infos, inputs, strict=True)
    }
    outputs = session(model, 2, deployed=True).run([info.name for info in model.graph.output], feeds)
    return [np.asarray(out) for out in outputs], _inner(model, feeds, inner) if inner else {}


def _inner(model: ModelProto, feeds: dict[str, np.ndarray], names: Sequence[str]) -> Mapping[str, np.ndarray]:
    shown = {info.name for info in model.graph.output}
    for name in dict.fromkeys(names):
        if name not in shown:
            model.graph.output.add().name = name
    found = session(model, 2, deployed=True).run(list(names), feeds)
    return {name: np.asarray(value) for name, value in zip(names, found, strict=True)}
