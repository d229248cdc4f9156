"""A loaded network: our graph, and the independent engine that has the last word on a witness."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from verifier.graph.graph import Graph


class Evaluator(Protocol):
    """Another engine that runs the same network (ONNX Runtime, the original module)."""

    @property
    def name(self) -> str:
        """What a user reads, for example `onnxruntime 1.20`."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`x (B, *in)` float32 to outputs `(B, *out)`, as the deployed network computes them."""


@runtime_checkable
class Coarse(Protocol):
    """An evaluator whose engine may take coarser numbers than float32: then it runs at another point than was asked."""

    def taken(self, x: np.ndarray) -> np.ndarray:
        """Inputs `(B, *in)` float32 as the engine takes them, again in float32."""


@dataclass(frozen=True, eq=False)
class Model:
    """`graph` holds float64 parameters; `notes` tell a user what loading decided (batch axis, symbolic sizes)."""

    graph: Graph
    evaluator: Evaluator
    source: str
    notes: tuple[str, ...] = ()
