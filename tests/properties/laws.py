"""What margins must obey, as functions that the tests and the mutants share."""

import torch

from verifier.properties import Specification


def specification(clause: tuple[int, ...], batch: int = 1, out: int = 3) -> Specification:
    generator = torch.Generator().manual_seed(len(clause))
    rows = torch.randn(len(clause), batch, out, generator=generator, dtype=torch.float64)
    return Specification(rows, torch.zeros(len(clause), batch, dtype=torch.float64), clause)


def holds_by_logic(clause: tuple[int, ...], values: list[float]) -> bool:
    """Every clause has some row that is positive."""
    return all(any(v > 0 for v, c in zip(values, clause, strict=True) if c == k) for k in set(clause))


def law_margin(clause: tuple[int, ...], values: list[float]) -> None:
    """The margin is positive exactly where the logic holds."""
    margin = specification(clause).margin(torch.tensor(values, dtype=torch.float64).unsqueeze(1))
    assert bool(margin > 0) == holds_by_logic(clause, values), f"clauses {clause} at {values}: margin {float(margin)}"
