"""Which inputs a network is asked about: the user's, a data directory's, or a sample that ships with the package."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from verifier.errors import InputError
from verifier.formats.datasets import Dataset, load_directory, sample, sample_for_shape
from verifier.formats.images import read_images, read_labels
from verifier.formats.layout import Layout, layout, squeezed, text
from verifier.model import Model
from verifier.results import digest

SAMPLES = ("mnist", "cifar10", "digits")


@dataclass(frozen=True)
class Choice:
    """What a user may say about inputs; None where the model's metadata or the data decide.

    `source` is a file (.npy .npz .png) or a directory with a data set; `range` the valid input range.
    """

    source: str | None = None
    labels: str | None = None
    count: int | None = None
    offset: int = 0
    range: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Inputs:
    """`images (N, *in)` float32 as the network takes them, and `labels (N,)`, None where only the model knows.

    `index (N,)` counts from the first input of the source; `notes` tell a user what was decided for him.
    """

    images: np.ndarray
    labels: np.ndarray | None
    index: np.ndarray
    range: tuple[float, float]
    classes: tuple[str, ...]
    layout: Layout
    source: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """Names the content of the whole source, for `run` in result files; taken before a part is selected."""
        labels = b"" if self.labels is None else self.labels.tobytes()
        return digest((str(self.images.shape).encode(), self.images.tobytes(), labels))

    def named(self, label: int | None) -> str:
        """A class as a user knows it."""
        return self.classes[label] if label is not None and 0 <= label < len(self.classes) else str(label)


def gather(model: Model, choice: Choice) -> Inputs:
    """All inputs of the source, fitted to the model.

    Raises:
        InputError: there are none, they don't fit, or they lie outside the valid range.
    """
    shape, metadata = model.graph.input.shape, model.graph.metadata
    if choice.source is None:
        inputs = _from_dataset(_shipped(shape, metadata), "the sample that ships with verifier", model)
    elif Path(choice.source).is_dir():
        inputs = _from_dataset(load_directory(choice.source), choice.source, model)
    else:
        inputs = _from_file(choice.source, model, choice.range)
    if choice.labels is not None:
        inputs = replace(inputs, labels=_labels(choice.labels, inputs))
    elif inputs.labels is None:
        note = "no labels were given: an input is verified to keep the class that the model gives it"
        inputs = replace(inputs, notes=(*inputs.notes, note))
    _check_classes(inputs, model)
    return _within(inputs, choice.range)


def select(inputs: Inputs, choice: Choice) -> Inputs:
    """`count` inputs from `offset` on.

    Raises:
        InputError: nothing is left.
    """
    if choice.offset >= len(inputs):
        raise InputError(f"--offset {choice.offset}: {inputs.source} has {len(inputs)} inputs, the first is 0")
    end = len(inputs) if choice.count is None else choice.offset + choice.count
    part = slice(choice.offset, end)
    labels = None if inputs.labels is None else inputs.labels[part]
    notes = inputs.notes
    if end > len(inputs):
        notes = (*notes, f"there are {len(inputs) - choice.offset} inputs from {choice.offset} on, not {choice.count}")
    return replace(inputs, images=inputs.images[part], labels=labels, index=inputs.index[part], notes=notes)


def _shipped(shape: tuple[int, ...], metadata: Mapping[str, str]) -> Dataset:
    named = metadata.get("dataset", "")
    if name := _canonical(named):
        return sample(name)
    if named:
        raise InputError(f"the model's metadata names the data set {named!r}, which does not ship. Give it: --inputs")
    long = squeezed(shape)
    for order in (long, long[2:] + long[:2]) if len(long) == 3 else (long,):
        if found := sample_for_shape(order):
            return found
    raise InputError(
        f"no data set is named in the model's metadata, and none that ships ({', '.join(SAMPLES)}) fits its input "
        f"{text(shape)}. Give inputs: --inputs FILE (.npy .npz .png) or a directory"
    )


def _canonical(name: str) -> str:
    """`CIFAR-10` and `cifar10` are the same data set."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain if plain in SAMPLES else ""


def _from_dataset(data: Dataset, source: str, model: Model) -> Inputs:
    valid = _metadata_range(model) or (0.0, 1.0)
    images, notes = _scaled(data.images, valid)
    fit = layout(data.images.shape[1:], model.graph.input.shape)
    where = f"{data.name}, {source}"
    return _build(images, data.labels, fit, where, model, data.classes, notes, valid)


def _scaled(images: np.ndarray, valid: tuple[float, float]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Images in [0, 1] to the range that the model's metadata names, and a note about it."""
    low, high = valid
    if valid == (0.0, 1.0) or not math.isfinite(high - low):
        return images, ()
    note = f"images were scaled from [0, 1] to the model's input_range [{low:g}, {high:g}]"
    return (low + (high - low) * images.astype(np.float64)).astype(np.float32), (note,)


def _from_file(path: str, model: Model, wanted: tuple[float, float] | None) -> Inputs:
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file or directory")
    read = read_images(path)
    values, shape = read.values, model.graph.input.shape
    try:
        fit = layout(values.shape[1:], shape)
    except InputError as error:  # perhaps one input without an axis that counts
        try:
            fit = layout(values.shape, shape)
        except InputError:
            chosen = f" ({'; '.join(model.notes)})" if model.notes else ""  # an open height, say, that was taken as 1
            raise InputError(f"{path}: {error}{chosen}") from None
        values = values[None]
    bounds = _metadata_range(model)
    notes: tuple[str, ...] = ()
    if bounds is not None and path.lower().endswith(".png"):
        values, notes = _scaled(values, bounds)
    if bounds is None and wanted is None:
        least, most = float(values.min()), float(values.max())
        if least < 0 or most > 1:
            raise InputError(
                f"{path} holds values from {least:g} to {most:g}, and neither the model's metadata nor --range says "
                "which inputs are valid. Add --range LOW HIGH, or --range none none if every number is"
            )
        notes = ("the valid range was taken to be [0, 1]; --range LOW HIGH sets another",)
    return _build(values, read.labels, fit, path, model, (), notes, bounds or (0.0, 1.0))


def _build(
    images: np.ndarray,
    labels: np.ndarray | None,
    fit: Layout,
    source: str,
    model: Model,
    classes: tuple[str, ...],
    notes: tuple[str, ...],
    valid: tuple[float, float],
) -> Inputs:
    said = model.graph.metadata.get("classes", "")
    listed = [word.strip() for word in said.split(",")] if "," in said else said.split()
    names = tuple(listed) if len(listed) == int(np.prod(model.graph.output_shape)) else classes
    notes = (*notes, fit.note) if fit.note else notes
    return Inputs(fit.apply(images), labels, np.arange(len(images)), valid, names, fit, source, notes)


def _labels(path: str, inputs: Inputs) -> np.ndarray:
    labels = read_labels(path)
    if len(labels) != len(inputs):
        raise InputError(f"{path} has {len(labels)} labels, but {inputs.source} has {len(inputs)} inputs")
    return labels


def _check_classes(inputs: Inputs, model: Model) -> None:
    classes = int(np.prod(model.graph.output_shape))
    if classes < 2:
        raise InputError(
            f"the network's output {text(model.graph.output_shape)} has no classes to compare. From Python, "
            "verifier.Specification asks whether a number stays above or below another"
        )
    if inputs.labels is not None and inputs.labels.max() >= classes:
        raise InputError(
            f"labels of {inputs.source} go up to {inputs.labels.max()}, but the network has {classes} classes"
        )


def _within(inputs: Inputs, wanted: tuple[float, float] | None) -> Inputs:
    """The valid range is settled; every input must lie in it."""
    low, high = wanted or inputs.range
    outside = ((inputs.images < low) | (inputs.images > high)).reshape(len(inputs), -1).any(axis=1)
    if outside.any():
        first = int(outside.argmax())
        values = inputs.images[first]
        raise InputError(
            f"{inputs.source}: input {first} has values from {values.min():g} to {values.max():g}, outside of the "
            f"valid range [{low:g}, {high:g}]. Is it scaled as the model expects? --range LOW HIGH sets another range"
        )
    return replace(inputs, range=(low, high))


def _metadata_range(model: Model) -> tuple[float, float] | None:
    """`input_range` of the metadata: two numbers."""
    said = model.graph.metadata.get("input_range")
    if said is None:
        return None
    try:
        low, high = (float(word) for word in said.replace(",", " ").split())
    except ValueError:
        low, high = math.nan, math.nan
    if not low <= high:
        raise InputError(f"the model's metadata says input_range {said!r}; expected two numbers, such as '0 1'")
    return low, high
