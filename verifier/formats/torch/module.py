"""`load_module`: a module in memory and an example of its input become a `Model`."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from verifier.errors import InputError, UnsupportedModel
from verifier.formats.torch.evaluator import RowByRow
from verifier.formats.torch.exported import export_module, from_exported, writes_in_place
from verifier.formats.torch.translate import translate
from verifier.graph.graph import Graph
from verifier.model import Model


def load_module(module: nn.Module, example_input: Tensor) -> Model:
    """The module as it computes in eval mode. It is copied and stays as it is.

    Where the example holds several rows that the module treats one by one, its first axis is a batch axis and one row
    of it is the network's input, as `(1, ...)`; otherwise the input has the example's shape.
    """
    if not isinstance(example_input, Tensor) or not example_input.is_floating_point():
        raise InputError("the example input must be a tensor of floating-point numbers")
    frozen = frozen_copy(module)
    dtype = precision(frozen, example_input)
    example = example_input.detach().to("cpu", dtype)
    example, note = single_row(frozen, example)
    graph = export_graph(frozen, example)
    evaluator = RowByRow(lambda row: only_tensor(frozen(row.clone())), tuple(example.shape), dtype, "the module itself")
    notes = (note, *precision_notes(dtype))
    return Model(graph, evaluator, type(module).__name__, tuple(n for n in notes if n))


def export_graph(module: nn.Module, example: Tensor) -> Graph:
    """The graph; where writes in place are in the way, PyTorch rewrites the program without them."""
    name = type(module).__name__
    exported = export_module(module, example)
    try:
        return translate(from_exported(exported, name), name)
    except UnsupportedModel:
        if not writes_in_place(exported):
            raise
    with torch.no_grad():
        graph = translate(from_exported(exported.run_decompositions({}), name), name)
        require_same(module, graph, example)
    return graph


def require_same(module: nn.Module, graph: Graph, example: Tensor) -> None:
    """PyTorch's rewriting forgets that dropout in eval mode returns its argument, which may be written to."""
    points = torch.randn((8, *example.shape), generator=torch.Generator().manual_seed(0)).to(example.dtype)
    expected = torch.stack([only_tensor(module(x.clone())) for x in points]).double()
    if not torch.allclose(graph(points.double()), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())):
        raise UnsupportedModel(
            f"{type(module).__name__} writes in place to a tensor that it also uses under another name.\n"
            "Try to write the operation without its in-place form (x = x + 1 instead of x += 1)."
        )


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy on the CPU in eval mode."""
    try:
        return copy.deepcopy(module).cpu().eval()
    except RuntimeError as error:
        raise UnsupportedModel(
            f"{type(module).__name__} can't be copied: {error}\n"
            "Try torch.nn.utils.remove_weight_norm, or parametrizations instead of hooks."
        ) from error


def precision(module: nn.Module, example: Tensor) -> torch.dtype:
    """What the module computes in: the precision of its weights, else of the example."""
    dtypes = {t.dtype for t in [*module.parameters(), *module.buffers()] if t.is_floating_point()}
    return next(iter(dtypes)) if len(dtypes) == 1 else example.dtype


def single_row(module: nn.Module, example: Tensor) -> tuple[Tensor, str]:
    """The example's first row where the rows are independent, and what was decided."""
    if example.dim() == 0 or len(example) == 1:
        return example, ""
    shape = "x".join(map(str, example.shape))
    if len(example) > 1 and independent_rows(module, example):
        return example[
            :1
        ], f"the first axis of the example ({shape}) is a batch axis; the network's input is one row of it"
    return example, f"the first axis of the example ({shape}) is no batch axis; the network's input is all of it"


def independent_rows(module: nn.Module, example: Tensor) -> bool:
    """Whether rows of the output are the module's outputs on rows of the input, on the example and on noise."""
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = sorted({0, 1, len(example) - 1})
    try:
        with torch.no_grad():
            for x in (example, noise.to(example.dtype)):
                whole = only_tensor(module(x.clone()))
                for row in rows:
                    alone = only_tensor(module(x[row : row + 1].clone()))
                    if len(whole) != len(x) or len(alone) != 1 or not close(whole[row], alone[0]):
                        return False
    except Exception:  # a module that can't take one row has no batch axis there
        return False
    return True


def close(a: Tensor, b: Tensor) -> bool:
    tolerance = 100 * torch.finfo(a.dtype).eps if a.is_floating_point() else 0.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance * float(a.abs().max()))


def only_tensor(output: Any) -> Tensor:
    """The one tensor in the module's output."""
    leaves = torch.utils._pytree.tree_leaves(output)
    if len(leaves) != 1 or not isinstance(leaves[0], Tensor):
        raise UnsupportedModel(f"the module returns {len(leaves)} values; one tensor is supported")
    return leaves[0]


def precision_notes(dtype: torch.dtype) -> list[str]:
    name = str(dtype).removeprefix("torch.")
    half = f"the module computes in {name}; the graph is the same function on real numbers"
    return [half] if dtype in (torch.float16, torch.bfloat16) else []
