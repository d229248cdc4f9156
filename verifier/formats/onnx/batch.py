"""A file whose input has a fixed leading size N: N images side by side, or one input of N rows? It is asked."""

from dataclasses import replace

import numpy as np
import torch
from onnx import ModelProto

from verifier.errors import VerifierError
from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.onnx.inputs import Feed
from verifier.graph.graph import Graph

TOLERANCE = 1e-4  # of the outputs' scale; float32 against float64


def possible_batch(model: ModelProto, feeds: tuple[Feed, ...]) -> int | None:
    """N, where the only input and the output both lead with it."""
    if len(feeds) != 1 or not feeds[0].shape or feeds[0].shape[0] < 2 or feeds[0].open_axes:
        return None
    tensor = model.graph.output[0].type.tensor_type
    if not tensor.HasField("shape") or not tensor.shape.dim or tensor.shape.dim[0].dim_value != feeds[0].shape[0]:
        return None
    return feeds[0].shape[0]


def single(feeds: tuple[Feed, ...]) -> tuple[Feed, ...]:
    """The same input with a leading one."""
    return (replace(feeds[0], shape=(1, *feeds[0].shape[1:])),)


def rows_agree(graph: Graph, evaluator: OrtEvaluator, group: int) -> bool:
    """Whether the file, run on N different rows, does to every row what our graph does to it alone."""
    x = np.random.default_rng(0).random((group, *graph.input.shape), dtype=np.float32)
    try:
        theirs = evaluator(x)
        ours = graph(torch.from_numpy(x).double()).numpy()
    except (VerifierError, RuntimeError, ValueError):
        return False
    scale = np.abs(theirs).max(initial=0.0)
    return theirs.shape == ours.shape and bool((np.abs(theirs - ours) <= TOLERANCE * scale).all())
