"""A network's inputs and outputs as people write about them: `y[3] > y[5]`, `y[0, 3]`, `x[0] + x[1]`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from verifier.errors import InputError
from verifier.properties.expression import Polynomial, entry

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Variables:
    """The entries of one tensor. One index counts along the flattened tensor; several are its axes'."""

    name: str
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __iter__(self) -> Iterator[Polynomial]:
        return (entry(self.name, i) for i in range(len(self)))

    def __getitem__(self, index: int | tuple[int, ...]) -> Polynomial:
        wanted = index if isinstance(index, tuple) else (index,)
        shape = self.shape if isinstance(index, tuple) else (len(self),)
        if len(wanted) != len(shape) or not all(-n <= i < n for i, n in zip(wanted, shape, strict=True)):
            raise InputError(
                f"{self.name}[{', '.join(map(str, wanted))}] lies outside of the shape {list(self.shape)}; give one "
                f"index below {len(self)}, or one for each axis"
            )
        flat = 0
        for i, n in zip(wanted, shape, strict=True):
            flat = flat * n + i % n
        return entry(self.name, flat)
