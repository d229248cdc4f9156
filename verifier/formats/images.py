"""Images (or any other inputs) and labels that a user brings in a file: `.npy`, `.npz`, `.png`, and text for labels.

One rule for values: **uint8 is divided by 255, floating point is taken as it is.** Every other dtype is refused,
because whether an int64 of 200 is a pixel or already a feature can't be told. Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verifier.errors import InputError

_IMAGE_KEYS = ("x", "images", "inputs")
_LABEL_KEYS = ("y", "labels")
_LARGEST = 4 * 2**30  # bytes that an archive may unpack to
_LARGEST_PNG = 2**26  # pixels
_LARGEST_TEXT = 2**26  # bytes


@dataclass(frozen=True)
class Images:
    """Values `(N, ...)` float32, finite; labels `(N,)` int64 where the file brings them."""

    values: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)


def read_images(path: str | Path) -> Images:
    """Read inputs; the first axis counts them, except that a one-axis array is a single flat input.

    - `.npy`: one array.
    - `.npz`: the array named `x`, `images` or `inputs` (or the only one), and labels named `y` or `labels`.
    - `.png`: one image, grey `(1, 1, H, W)` or colour `(1, 3, H, W)`, in [0, 1].
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], Images]] = {".npy": _from_npy, ".npz": _from_npz, ".png": _from_png}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} has no known ending: {', '.join(readers)} are supported.")
    return readers[path.suffix.lower()](path)


def read_labels(path: str | Path) -> np.ndarray:
    """Labels `(N,)` int64 from a `.npy` file of integers or a text file of integers (spaces, commas or lines)."""
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _labels(path, _load(path))
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise InputError(f"{path} has more than {_LARGEST_TEXT:,} bytes: expected a short text file of integers.")
        words = path.read_text("utf-8").replace(",", " ").split()
        return _labels(path, np.array([int(word) for word in words], np.int64))
    except OSError as problem:
        raise InputError(f"{path} can't be read ({problem}).") from problem
    except (ValueError, OverflowError) as problem:
        raise InputError(
            f"{path} is not a list of integers ({problem}). Expected one label after another."
        ) from problem


def _from_npy(path: Path) -> Images:
    return Images(_values(path, _load(path)))


def _from_npz(path: Path) -> Images:
    arrays = _load_archive(path)
    found = [key for key in _IMAGE_KEYS if key in arrays] or [key for key in arrays if key not in _LABEL_KEYS]
    if len(found) != 1:
        raise InputError(
            f"{path} holds {', '.join(arrays) or 'nothing'}: expected exactly one array of inputs, named "
            f"{', '.join(_IMAGE_KEYS[:-1])} or {_IMAGE_KEYS[-1]}."
        )
    values = _values(path, arrays[found[0]])
    named = [key for key in _LABEL_KEYS if key in arrays]
    if not named:
        return Images(values)
    labels = _labels(path, arrays[named[0]])
    if len(labels) != len(values):
        raise InputError(f"{path} has {len(values)} inputs but {len(labels)} labels: expected one label for each.")
    return Images(values, labels)


def _from_png(path: Path) -> Images:
    from PIL import Image  # not at the top: a fifth of a second that other formats needn't pay

    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > _LARGEST_PNG:
                raise InputError(f"{path} is {image.width}x{image.height}: at most {_LARGEST_PNG:,} pixels are read.")
            if image.mode not in {"1", "L", "RGB", "P"} or "transparency" in image.info:
                raise InputError(
                    f"{path} has mode {image.mode} with transparency or more than 8 bits a channel. "
                    "Save it as plain 8-bit grey or RGB."
                )
            pixels = np.asarray(image.convert("RGB" if image.mode in {"RGB", "P"} else "L"))
    except InputError:
        raise
    except Exception as problem:  # a damaged PNG leaves Pillow as SyntaxError, struct.error, zlib.error and more
        raise InputError(f"{path} can't be read as PNG ({problem}).") from problem
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return Images(_values(path, np.ascontiguousarray(planes[None])))


def _load(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
    except Exception as problem:  # a hostile header leaves numpy as almost anything, MemoryError included
        raise _refused(path, problem) from problem
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise InputError(f"{path} is an archive of arrays, not one array. Rename it to .npz.")
    return loaded


def _load_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _LARGEST:
            raise InputError(f"{path} unpacks to {unpacked:,} bytes: at most {_LARGEST:,} are read. Split it.")
        with np.load(path, allow_pickle=False) as pack:
            wanted = [key for key in (*_IMAGE_KEYS, *_LABEL_KEYS) if key in pack.files]
            return {key: pack[key] for key in (wanted if set(wanted) & set(_IMAGE_KEYS) else pack.files)}
    except InputError:
        raise
    except Exception as problem:  # as in _load
        raise _refused(path, problem) from problem


def _refused(path: Path, problem: Exception) -> InputError:
    return InputError(
        f"{path} can't be read as NumPy arrays ({problem}). Expected what numpy.save or numpy.savez writes for arrays "
        "of numbers; object arrays are pickled and never read."
    )


def _values(path: Path, array: np.ndarray) -> np.ndarray:
    """Float32 `(N, ...)` by the rule at the top of this file."""
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{path} holds an array of shape {array.shape}: expected (N, ...) with at least one input.")
    if array.dtype == np.uint8:
        values = array.astype(np.float32) / np.float32(255)
    elif np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # what doesn't fit becomes inf, and is refused below
            values = array.astype(np.float32)
    else:
        raise InputError(
            f"{path} holds {array.dtype}: expected uint8 (divided by 255) or floating point (taken as it is). "
            "Convert it, so that the scale is your decision."
        )
    if not np.isfinite(values).all():
        raise InputError(f"{path} has {np.count_nonzero(~np.isfinite(values))} values that are NaN or infinite.")
    return values[None] if values.ndim == 1 else values


def _labels(path: Path, array: np.ndarray) -> np.ndarray:
    """Int64 `(N,)`, not negative."""
    if array.ndim != 1 or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path}: labels have shape {array.shape} and dtype {array.dtype}; expected integers (N,).")
    if array.min() < 0 or array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{path}: labels run from {array.min()} to {array.max()}; expected 0 and above.")
    return array.astype(np.int64)
