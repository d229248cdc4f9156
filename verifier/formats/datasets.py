"""Labelled images: the data sets as they are published, and the small samples that ship with the package.

Two published layouts are read, and neither needs unpickling:

- MNIST (and its drop-in replacements): the four IDX files, plain or gzipped;
- CIFAR-10: the *binary* version, `data_batch_1.bin` ... `test_batch.bin`.

The reader believes nothing that a file says about itself: sizes are checked against the bytes that are really there
before memory is asked for, labels against the classes, and every refusal is an `InputError` that names the file.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from io import BufferedIOBase
from pathlib import Path
from typing import Literal

import numpy as np

from verifier.errors import InputError

Split = Literal["train", "test"]

_DIGITS = tuple("0123456789")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR10_SHAPE = (3, 32, 32)
_CIFAR10_BATCHES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
_IDX_PREFIX = {"train": "train", "test": "t10k"}
_LARGEST = 4 * 2**30  # bytes of one file's pixels: the largest published set here needs 188 MB
_CHUNK = 2**20

# The shapes that are the sample's own pixels in the sample's own order, without axes of length one. A channels-last
# (32, 32, 3) isn't among them: reshaping planes into it would scramble the image silently.
_SAMPLE_SHAPES = {
    (784,): "mnist",
    (28, 28): "mnist",
    (3072,): "cifar10",
    (3, 32, 32): "cifar10",
    (64,): "digits",
    (8, 8): "digits",
}


@dataclass(frozen=True)
class Dataset:
    """Images `(N, C, H, W)` float32 in [0, 1], labels `(N,)` int64 that index `classes`."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def load_directory(path: str | Path, split: Split = "test") -> Dataset:
    """The training or test half of the data set that a directory holds; which one is told from its file names.

    The directory itself is looked into, and the folders that the usual downloads unpack into.
    """
    if split not in _IDX_PREFIX:
        raise InputError(f"split {split!r} is unknown: 'train' and 'test' are supported.")
    directory = Path(path)
    if not directory.is_dir():
        raise InputError(f"{directory} is not a directory. Name the folder that holds the MNIST or CIFAR-10 files.")
    for place in (directory, directory / "MNIST" / "raw"):
        if images := _idx_file(place, split, "images", 3):
            return _load_mnist(place, images, split)
    for place in (directory, directory / "cifar-10-batches-bin"):
        if (place / _CIFAR10_BATCHES[split][0]).is_file():
            return _load_cifar10(place, split)
    raise InputError(_nothing_found(directory, split))


def sample(name: str) -> Dataset:
    """The first 100 test images of `mnist` and `cifar10`, or the last 100 of scikit-learn's 8x8 `digits`."""
    known = sorted(set(_SAMPLE_SHAPES.values()))
    if name not in known:
        raise InputError(f"there is no sample {name!r}: {', '.join(known)} ship with the package.")
    source = resources.files("verifier.samples").joinpath(f"{name}.npz")
    with source.open("rb") as stream, np.load(stream, allow_pickle=False) as pack:
        images = _unit(pack["images"], int(pack["largest"]))
        return Dataset(name, images, pack["labels"].astype(np.int64), tuple(str(c) for c in pack["classes"]))


def sample_for_shape(shape: Sequence[int]) -> Dataset | None:
    """The sample whose images fit a network's input shape after a plain reshape, or None.

    Axes of length one (batch, channel) don't matter, so `(1, 1, 28, 28)`, `(28, 28)` and `(1, 784)` all are MNIST.
    """
    name = _SAMPLE_SHAPES.get(tuple(int(length) for length in shape if length != 1))
    return sample(name) if name else None


def _unit(pixels: np.ndarray, largest: int = 255) -> np.ndarray:
    """uint8 pixels as the float32 nearest to pixel / largest."""
    return pixels.astype(np.float32) / np.float32(largest)


# MNIST


def _idx_file(directory: Path, split: Split, kind: str, axes: int) -> Path | None:
    """The IDX file of this split, under any of the names it is distributed with."""
    stem = _IDX_PREFIX[split]
    names = [f"{stem}-{kind}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    return next((directory / name for name in names if (directory / name).is_file()), None)


def _load_mnist(directory: Path, image_file: Path, split: Split) -> Dataset:
    label_file = _idx_file(directory, split, "labels", 1)
    if label_file is None:
        raise InputError(
            f"{directory} holds {image_file.name} but not its labels: expected "
            f"{_IDX_PREFIX[split]}-labels-idx1-ubyte[.gz]. Put the label file beside it."
        )
    pixels, labels = _read_idx(image_file, axes=3), _read_idx(label_file, axes=1)
    if len(pixels) != len(labels):
        raise InputError(
            f"{image_file} has {len(pixels)} images but {label_file.name} has {len(labels)} labels. "
            "They are not of the same split or version; download both again."
        )
    _check_labels(label_file, labels, len(_DIGITS))
    return Dataset("mnist", _unit(pixels[:, None]), labels.astype(np.int64), _DIGITS)


def _read_idx(path: Path, axes: int) -> np.ndarray:
    """The uint8 array of an IDX file: two zero bytes, type 8, the number of axes, big-endian lengths, the data."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            return _parse_idx(path, stream, axes)
    except (OSError, EOFError, zlib.error) as problem:  # gzip reports a damaged file as any of the three
        raise InputError(f"{path} can't be read ({problem}). Download it again.") from problem


def _parse_idx(path: Path, stream: BufferedIOBase, axes: int) -> np.ndarray:
    header = _read_up_to(stream, 4 + 4 * axes)
    if header[:4] != bytes((0, 0, 8, axes)):
        raise InputError(
            f"{path} is not an IDX file of bytes with {axes} axes: it starts with {header[:4].hex(' ') or 'nothing'}, "
            f"expected 00 00 08 {axes:02x}. Was it renamed, or is it still packed?"
        )
    if len(header) < 4 + 4 * axes:
        raise InputError(f"{path} ends inside its header. Download it again.")
    shape = struct.unpack(f">{axes}I", header[4:])
    size = int(np.prod([int(length) for length in shape], dtype=object))
    if not 0 < size <= _LARGEST:
        raise InputError(f"{path} says it has shape {shape}: expected at least one byte and at most {_LARGEST:,}.")
    data = _read_up_to(stream, size + 1)  # one more, to notice a file that is too long
    if len(data) != size:
        found = f"only {len(data):,}" if len(data) < size else "more"
        raise InputError(f"{path} says it has shape {shape}, {size:,} bytes, but holds {found}. Download it again.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_up_to(stream: BufferedIOBase, size: int) -> bytes:
    """At most `size` bytes, in chunks: `read(size)` would reserve what a lying header asks for."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# CIFAR-10


def _load_cifar10(directory: Path, split: Split) -> Dataset:
    records = np.concatenate([_read_batch(directory / name) for name in _CIFAR10_BATCHES[split]])
    images = _unit(records[:, 1:]).reshape(-1, *_CIFAR10_SHAPE)
    return Dataset("cifar10", images, records[:, 0].astype(np.int64), _CIFAR10)


def _read_batch(path: Path) -> np.ndarray:
    """Records `(N, 3073)` uint8: the label, then the red, green and blue planes."""
    record = 1 + int(np.prod(_CIFAR10_SHAPE))
    try:
        size = path.stat().st_size
        data = path.read_bytes() if 0 < size <= _LARGEST else b""
    except OSError as problem:
        raise InputError(f"{path} can't be read ({problem}). Training needs all five data_batch files.") from problem
    if not data or len(data) % record:
        raise InputError(
            f"{path} has {size:,} bytes: expected a multiple of {record:,} (a label and 3x32x32 pixels for each "
            "image). It is cut short or not the binary version of CIFAR-10; download it again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, record)
    _check_labels(path, records[:, 0], len(_CIFAR10))
    return records


def _check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    if labels.max() >= classes:
        raise InputError(f"{path} has label {labels.max()}: expected 0 to {classes - 1}. It may hold another data set.")


def _nothing_found(directory: Path, split: Split) -> str:
    pickled = any((place / "data_batch_1").exists() for place in (directory, directory / "cifar-10-batches-py"))
    if pickled:
        return (
            f"{directory} holds the Python version of CIFAR-10, which is pickled: unpickling a file can run any "
            "program, so it isn't read. Download the binary version (cifar-10-binary.tar.gz) instead."
        )
    return (
        f"{directory} holds no data set that can be read ({split} split). Expected either "
        f"{_IDX_PREFIX[split]}-images-idx3-ubyte[.gz] with its labels (MNIST), or "
        f"{_CIFAR10_BATCHES[split][0]} (CIFAR-10, binary version), there or in cifar-10-batches-bin/."
    )
