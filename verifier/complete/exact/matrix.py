"""The sparse matrices of an affine op: its transport of the identity, in chunks."""

import numpy as np
import torch
from scipy import sparse

from verifier.errors import UnsupportedModel
from verifier.graph.op import Affine

ENTRIES = 2**23  # of one dense chunk: 64 MiB
MOST = 2**31  # entries of all chunks of an op: about ten seconds


def matrices(op: Affine, shapes: list[torch.Size], out: torch.Size) -> tuple[sparse.csr_array, ...]:
    """For every argument its matrix `(out, in)`; the op in float64 on the CPU.

    Raises:
        UnsupportedModel: it has more than `MOST` entries.
    """
    count = out.numel()
    widest = max((shape.numel() for shape in shapes), default=0)
    if count * widest > MOST:
        raise UnsupportedModel(f"{op.label}: a matrix of {count:,} x {widest:,} entries is too large for a program")
    step = max(1, ENTRIES // max(count, widest, 1))
    parts: list[list[sparse.csr_array]] = [[] for _ in shapes]
    for first in range(0, count, step):
        rows = min(step, count - first)
        units = torch.zeros(rows, count, dtype=torch.float64)
        units[torch.arange(rows), first + torch.arange(rows)] = 1.0
        for part, moved in zip(parts, op.transport(units.reshape(rows, *out), shapes), strict=True):
            part.append(sparse.csr_array(moved.reshape(rows, -1).numpy()))
    return tuple(sparse.csr_array(sparse.vstack(part, format="csr")) for part in parts)


def widened(matrix: sparse.csr_array, columns: int) -> sparse.csr_array:
    """The same matrix with empty columns behind."""
    return sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], columns))


def longest(matrix: sparse.csr_array) -> int:
    """Entries of the fullest row."""
    return int(np.diff(matrix.indptr).max(initial=0))
