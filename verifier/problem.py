"""One question, or a batch of them: does the property hold everywhere in the region?"""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from verifier.errors import InputError
from verifier.model import Model
from verifier.properties import Specification
from verifier.regions import Region


@dataclass(frozen=True, eq=False)
class Problem:
    """`B` questions about one model: the region's and the specification's batch axes belong together."""

    model: Model
    region: Region
    specification: Specification

    def __post_init__(self) -> None:
        graph, rows = self.model.graph, self.specification.rows
        if self.region.shape != graph.input.shape:
            raise InputError(f"the region has shape {self.region.shape}, the network's input {graph.input.shape}")
        if tuple(rows.shape[2:]) != graph.output_shape:
            raise InputError(f"the property is about {tuple(rows.shape[2:])}, the output is {graph.output_shape}")
        if rows.shape[1] != self.region.batch:
            raise InputError(f"{self.region.batch} regions, but properties for {rows.shape[1]}")

    @property
    def batch(self) -> int:
        return self.region.batch

    def select(self, index: Tensor) -> Self:
        """The questions at `index (N,)`."""
        return type(self)(self.model, self.region.select(index), self.specification.select(index))
