"""Does our graph compute what the file computes? Asked on points, of an independent engine, before anything is proved.

Engines round, and where a network jumps (a comparison, an arg max, a rounding) two right answers can be far apart. So a
point counts against us only if our graph differs from the engine in float64 as well as in float32, and from the file's
own function in float64 where the engine can give it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from verifier.errors import InvalidModel, VerifierError
from verifier.graph.graph import Graph, value
from verifier.model import Coarse, Model

TOLERANCE = 1e-4  # of the outputs' scale: float32 sums of thousands of terms lose about 1e-6, deep networks more
WIDE_TOLERANCE = 1e-7  # float64 against float64
MAX_WIDE = 4  # points that are asked of the slow reference


@runtime_checkable
class Traceable(Protocol):
    """An evaluator that also shows inner tensors, and the file's function in float64."""

    def trace(self, x: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values of inner tensors `(*shape)` for one input `x (*in)`, as far as the file has them."""

    def double(self, x: np.ndarray) -> np.ndarray:
        """`(B, *in)` to `(B, *out)` in float64; raises where it can't."""


def check_against(model: Model, points: np.ndarray) -> None:
    """Compare the graph with `model.evaluator` on `points (B, *in)`; raise `InvalidModel` where they disagree.

    The message names the first node that differs, the usual suspect.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if isinstance(model.evaluator, Coarse):
        points = model.evaluator.taken(points)
    theirs = np.asarray(model.evaluator(points), dtype=np.float64)
    expected = (len(points), *model.graph.output_shape)
    if theirs.shape != expected:
        raise InvalidModel(
            f"{model.source}: {model.evaluator.name} gives outputs of shape {theirs.shape}, our graph {expected}"
        )
    errors = np.minimum(
        *(difference(run(model.graph, points, dtype), theirs) for dtype in (torch.float64, torch.float32))
    )
    worse = np.flatnonzero(~(errors <= TOLERANCE))
    if len(worse) and not _explained(model, points[worse]):
        raise InvalidModel(_message(model, points[worse[0]], errors))


def run(graph: Graph, points: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """The graph on `points` in one precision."""
    with torch.no_grad():
        out = graph.to(dtype)(torch.from_numpy(points).to(dtype))
    return out.double().numpy()


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Per point, the largest difference relative to the largest output of any point. Equal infinities do not differ."""
    ours, theirs = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
    finite = theirs[np.isfinite(theirs)]
    scale = max(float(np.abs(finite).max(initial=0.0)), np.finfo(np.float32).tiny)
    with np.errstate(invalid="ignore"):
        gap = np.where((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)), 0.0, np.abs(ours - theirs))
    return np.asarray(np.nan_to_num(gap, nan=np.inf).max(axis=1, initial=0.0) / scale)


def _explained(model: Model, points: np.ndarray) -> bool:
    """Whether float64 shows that only the engine's rounding is to blame."""
    if not isinstance(model.evaluator, Traceable):
        return False
    points = points[:MAX_WIDE]
    try:
        exact = model.evaluator.double(points)
    except Exception:  # the reference lacks an operator; then the disagreement stands
        return False
    return bool((difference(run(model.graph, points, torch.float64), exact) <= WIDE_TOLERANCE).all())


def _message(model: Model, point: np.ndarray, errors: np.ndarray) -> str:
    bad = int((~(errors <= TOLERANCE)).sum())
    where = first_difference(model, point)
    return (
        f"{model.source}: our reading of the file disagrees with {model.evaluator.name} on {bad} of {len(errors)} "
        f"points (relative difference: median {np.median(errors):.1e}, largest {errors.max():.1e}; {TOLERANCE:.0e} is "
        f"allowed). {where} Nothing can be verified with it; please report the file."
    )


def first_difference(model: Model, point: np.ndarray) -> str:
    """A sentence about the first node, in order of computation, whose value differs."""
    if not isinstance(model.evaluator, Traceable):
        return ""
    graph = model.graph
    try:
        theirs = model.evaluator.trace(point, [node.name for node in graph.nodes])
    except (VerifierError, RuntimeError) as error:
        return f"The inner values can't be compared ({error})."
    ours = values(graph, point, set(theirs))
    for node in graph.nodes:
        if node.name in theirs and not _close(ours[node.name], theirs[node.name]):
            return f"The first node that differs is {node.name} ({node.op.label})."
    return "No inner node that both sides name differs."


def values(graph: Graph, point: np.ndarray, wanted: set[str]) -> Mapping[str, np.ndarray]:
    """Inner values `(*shape)` of our graph in float64."""
    x = torch.from_numpy(point).double().unsqueeze(0)
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for node in graph.nodes:
            found[node.name] = value(node, [found[name] for name in node.inputs], x)
    return {name: found[name][0].numpy() for name in wanted}


def _close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    theirs = np.asarray(theirs, dtype=np.float64)
    if ours.shape != theirs.shape:
        return False
    return bool((difference(ours[None], theirs[None]) <= TOLERANCE).all())
