"""The independent engine: PyTorch itself, in the network's own precision, one input at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowByRow:
    """Runs `function` on single inputs `(*in)`. A batch might be added up in another order and differ in last bits."""

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    dtype: torch.dtype
    what: str

    @property
    def name(self) -> str:
        return f"PyTorch {torch.__version__} ({self.what})"

    def taken(self, x: np.ndarray) -> np.ndarray:
        return torch.from_numpy(np.array(x, dtype=np.float32)).to(self.dtype).float().numpy()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`x (B, *in)` float32 to outputs `(B, *out)`."""
        rows = torch.from_numpy(np.array(x, dtype=np.float32)).reshape(-1, *self.shape).to(self.dtype)
        with torch.no_grad():
            results = [self.function(row) for row in rows]
        dtype = torch.float64 if self.dtype == torch.float64 else torch.float32
        return torch.stack(results).to(dtype).numpy()
