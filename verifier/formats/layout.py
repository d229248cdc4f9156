"""How a data set's images become a network's input: a plain reshape, or channels moved first or last; never a guess."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.errors import InputError

CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Layout:
    """`data` is one input's shape as the data has it, `model` as the network wants it; both without our batch axis.

    `axes` is the order in which the data's axes (those longer than one) are taken; `note` tells the user of it.
    """

    data: tuple[int, ...]
    model: tuple[int, ...]
    axes: tuple[int, ...]
    note: str = ""

    def apply(self, images: np.ndarray) -> np.ndarray:
        """`(N, *data)` to `(N, *model)`."""
        long = images.reshape(len(images), *squeezed(self.data))
        moved = long.transpose(0, *(axis + 1 for axis in self.axes))
        return np.ascontiguousarray(moved).reshape(len(images), *self.model)

    def undo(self, x: np.ndarray) -> np.ndarray:
        """One input `(*model)` as the data has it."""
        long = squeezed(self.data)
        moved = x.reshape([long[axis] for axis in self.axes])
        return np.ascontiguousarray(moved.transpose(np.argsort(self.axes))).reshape(self.data)


def layout(data: Sequence[int], model: Sequence[int]) -> Layout:
    """The one way in which inputs of shape `data` fit a network's input.

    Raises:
        InputError: they do not fit.
    """
    data, model = tuple(data), tuple(model)
    source, target = squeezed(data), squeezed(model)
    plain = tuple(range(len(source)))
    if source == target:
        return Layout(data, model, plain)
    if len(target) <= 1 and int(np.prod(source)) == int(np.prod(target)):
        note = f"inputs {text(data)} are flattened to {text(model)} in their own order" if len(source) > 2 else ""
        return Layout(data, model, plain, note)
    if len(source) == 1 and source[0] == int(np.prod(target)):
        return Layout(data, model, plain, f"flat inputs are read as {text(model)} in their own order")
    if len(source) == 3 and source[0] in CHANNELS and target == (*source[1:], source[0]):
        return Layout(data, model, (1, 2, 0), f"the network takes channels last: {text(data)} becomes {text(model)}")
    if len(source) == 3 and source[2] in CHANNELS and target == (source[2], *source[:2]):
        return Layout(data, model, (2, 0, 1), f"the network takes channels first: {text(data)} becomes {text(model)}")
    raise InputError(f"inputs of shape {text(data)} do not fit the network's input {text(model)}")


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without axes of length one."""
    return tuple(int(length) for length in shape if length != 1)


def text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
