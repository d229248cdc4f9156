"""Integers of fixed width: the identity where the type holds an interval, else any number of the type."""

import numpy as np

from verifier.certificates.numbers import Array, Numbers
from verifier.certificates.rule import Range, Rule, least, most
from verifier.graph.ops.activation import Wrap


class Wrapped(Rule):
    def __init__(self, op: Wrap, shape: tuple[int, ...], numbers: Numbers) -> None:
        super().__init__(op, shape, numbers)
        self.ends = [numbers.array(np.array([end])) for end in (op.least, op.greatest)]
        self.beyond = [numbers.array(np.array([end])) for end in (op.least - 1, op.greatest + 1)]

    def linear(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Ends may be rounded a little: what lies between them are whole numbers."""
        return (lower > self.beyond[0]) & (upper < self.beyond[1]), self.numbers.array(np.ones(lower.shape))

    def range(self, lower: Array, upper: Array) -> Range:
        one = self.numbers.array(np.ones(lower.shape))
        return (-one, one), (-one, one)

    def gap(self, lower: Array, upper: Array, slope: Array) -> tuple[Array, Array]:
        fits, _ = self.linear(lower, upper)
        zero = self.numbers.zeros((1,))
        below: list[Array] = []
        above: list[Array] = []
        for x in (lower, upper):
            drop: Array = np.where(slope == 0, zero, slope * x)
            for end in self.ends:
                value: Array = np.where(fits, x, end)
                pad: Array = np.where(slope == 0, zero, self.gamma * (np.abs(value) + np.abs(drop)) + self.tiny)
                below.append(value - drop - pad)
                above.append(value - drop + pad)
        return least(below), most(above)
