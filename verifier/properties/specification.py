"""What must hold, as linear clauses over outputs: the only AND and OR in the house.

A specification holds at an input when every clause has some row with `row . y + offset > 0`; strictly, so a tie breaks
it, save for rows that are `closed`: zero is enough for them. Nothing else in the house knows labels, classes or
connectives.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from verifier.errors import InputError
from verifier.numerics import flat


@dataclass(frozen=True, eq=False)
class Specification:
    """`rows (S, B, *out)`, `offset (S, B)`, for each row its `clause`, a number from 0 without gaps, and whether it is
    `closed` (none is, unless said)."""

    rows: Tensor
    offset: Tensor
    clause: tuple[int, ...]
    closed: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "closed", self.closed or (False,) * len(self.clause))
        if len(self.closed) != len(self.clause):
            raise InputError("a specification says of every row, or of none, whether it is closed")
        if not self.clause or set(self.clause) != set(range(max(self.clause) + 1)):
            raise InputError(f"clauses must be numbered from 0 without gaps, not {self.clause}")
        if len(self.clause) != len(self.rows) or self.rows.shape[:2] != self.offset.shape:
            raise InputError("a specification needs one clause number and one offset for every row")

    def clauses(self, values: Tensor) -> Tensor:
        """Values (or lower bounds) of the rows `(S, B)` to those of the clauses `(K, B)`: each its best row's.

        Positive exactly where a clause holds: a closed row that is zero counts as the least positive number.
        """
        if any(self.closed):
            enough = torch.tensor(self.closed, device=values.device).unsqueeze(1) & (values >= 0)
            values = torch.where(enough, values.clamp(min=torch.finfo(values.dtype).tiny), values)
        index = torch.tensor(self.clause, device=values.device).unsqueeze(1).expand_as(values)
        best = values.new_full((max(self.clause) + 1, values.shape[1]), -torch.inf)
        return best.scatter_reduce(0, index, values, "amax")

    def margin(self, values: Tensor) -> Tensor:
        """Values (or lower bounds) of the rows `(S, B)` to that of the whole `(B,)`: its least clause."""
        return self.clauses(values).amin(0)

    def values(self, y: Tensor) -> Tensor:
        """The rows at outputs `y (B, *out)`: `(S, B)`."""
        return flat(self.rows * y, 2).sum(2) + self.offset

    def select(self, index: Tensor) -> Self:
        return replace(self, rows=self.rows[:, index], offset=self.offset[:, index])

    def only(self, clauses: Tensor) -> Self:
        """Those of the `clauses (K,)` that are true, numbered anew, of which there is one at least."""
        if bool(clauses.all()):
            return self
        mine, number = clauses.cpu()[list(self.clause)], clauses.long().cumsum(0) - 1
        at = mine.nonzero().flatten().tolist()
        return replace(
            self,
            rows=self.rows[at],
            offset=self.offset[at],
            clause=tuple(int(number[self.clause[i]]) for i in at),
            closed=tuple(self.closed[i] for i in at),
        )

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Self:
        return replace(self, rows=self.rows.to(device, dtype), offset=self.offset.to(device, dtype))


def robust(labels: Tensor, output_shape: tuple[int, ...]) -> Specification:
    """The label stays: `y[label] - y[other] > 0` for every other class, a clause each.

    Args:
        labels: `(B,)`, also an array or a list, counted along the flattened output.
        output_shape: `*out`; its entries are the classes.
    """
    labels = torch.as_tensor(labels)
    classes = int(torch.Size(output_shape).numel())
    if classes < 2:
        raise InputError(f"an output of shape {output_shape} has no classes to compare; give a property instead")
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise InputError(f"labels must lie between 0 and {classes - 1}, found {int(labels.min())}..{int(labels.max())}")
    eye = torch.eye(classes, dtype=torch.float64)
    others = torch.stack([torch.arange(classes)[torch.arange(classes) != label] for label in labels], dim=1)
    rows = eye[labels].unsqueeze(0) - eye[others]
    return Specification(
        rows.reshape(classes - 1, len(labels), *output_shape),
        torch.zeros(classes - 1, len(labels), dtype=torch.float64),
        tuple(range(classes - 1)),
    )
