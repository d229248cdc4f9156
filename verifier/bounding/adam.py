"""Adam (Kingma and Ba 2015, algorithm 1), upwards. torch's own loads a compiler before its first step, for longer than
most questions take."""

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST = 1e-8  # added to what steps are divided by


class Adam:
    """For `leaves` that require gradients; `betas` are how long their mean and that of their squares are remembered."""

    def __init__(self, leaves: Sequence[Tensor], betas: tuple[float, float]) -> None:
        self.leaves, self.betas, self.steps = leaves, betas, 0
        self.means = [torch.zeros_like(leaf) for leaf in leaves]
        self.squares = [torch.zeros_like(leaf) for leaf in leaves]

    def step(self, objective: Tensor, rates: Sequence[float]) -> None:
        """Move each leaf by about its rate, in place, so that the `objective ()` grows."""
        self.steps += 1
        first, second = (1 - beta**self.steps for beta in self.betas)
        slopes = torch.autograd.grad(objective, self.leaves, allow_unused=True)
        for leaf, slope, mean, square, rate in zip(self.leaves, slopes, self.means, self.squares, rates, strict=True):
            if slope is not None:
                mean.lerp_(slope, 1 - self.betas[0])
                square.mul_(self.betas[1]).addcmul_(slope, slope, value=1 - self.betas[1])
                leaf.data.addcdiv_(mean, (square / second).sqrt_().add_(LEAST), value=rate / first)
