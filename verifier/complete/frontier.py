"""The subproblems that are still open: the newest leave first, so that few wait, and nothing that waits is copied."""

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor


class Parts(Protocol):
    """A batch of subproblems."""

    @property
    def bound(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Tensor) -> Self: ...

    def joined(self, other: Self) -> Self: ...


T = TypeVar("T", bound=Parts)


class Frontier(Generic[T]):
    """A stack of batches."""

    def __init__(self, first: T) -> None:
        self.batches = [first] if len(first) else []

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def push(self, batch: T) -> None:
        """Add a batch; of its parts those with the least bounds leave first."""
        if len(batch):
            self.batches.append(batch[batch.bound.argsort(descending=True)])

    def pop(self, count: int) -> T:
        """Up to `count` parts, at least one, which leave."""
        taken = self.batches.pop()
        while self.batches and len(taken) < count:
            taken = self.batches.pop().joined(taken)
        if len(taken) > count:
            self.batches.append(taken[torch.arange(len(taken) - count)])
            taken = taken[torch.arange(len(taken) - count, len(taken))]
        return taken

    def keep(self, wanted: Callable[[T], Tensor]) -> None:
        """Only those of each batch for which `wanted`, `(N,)`, is true."""
        kept = [batch[wanted(batch).nonzero().flatten()] for batch in self.batches]
        self.batches = [batch for batch in kept if len(batch)]

    def worst(self) -> float:
        """The least bound; infinite where nothing is open."""
        return min((float(batch.bound.min()) for batch in self.batches), default=float("inf"))
