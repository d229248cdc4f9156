"""Witnesses on disk: the array, exactly, and a picture of original, witness and difference where it is an image."""

from pathlib import Path

import numpy as np

from verifier.errors import InputError
from verifier.formats.layout import Layout, squeezed

ZOOM = 112  # pixels, about, that the picture of a small image is enlarged to
GAP = 4


def save_witness(
    directory: Path, index: int, witness: np.ndarray, original: np.ndarray, layout: Layout, valid: tuple[float, float]
) -> Path:
    """Write `INDEX.npy` (float32, the network's input shape) and, for images, `INDEX.png`; the path of the first.

    Raises:
        InputError: the directory can't be written.
    """
    path = directory / f"{index}.npy"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        np.save(path, witness)
        pixels = picture(layout.undo(witness), layout.undo(original), valid)
        if pixels is not None:
            from PIL import Image  # a tenth of a second that runs without witnesses needn't pay

            Image.fromarray(pixels).save(path.with_suffix(".png"))
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}") from error
    return path


def picture(witness: np.ndarray, original: np.ndarray, valid: tuple[float, float]) -> np.ndarray | None:
    """Original, witness and difference side by side, `(H, W)` or `(H, W, 3)` uint8; None where these are no images.

    The difference is grey where nothing changed, and stretched until its largest change is black or white.
    """
    low, high = valid
    first, second = (planes(x) for x in (original, witness))
    if first is None or second is None or not 0 < high - low < np.inf:
        return None
    change = second - first
    largest = np.abs(change).max()
    shown = [(first - low) / (high - low), (second - low) / (high - low), 0.5 + change / (2 * largest or 1)]
    zoom = max(1, ZOOM // max(first.shape[:2]))
    tiles = [np.rint(255 * tile.clip(0, 1)).astype(np.uint8).repeat(zoom, 0).repeat(zoom, 1) for tile in shown]
    gap = np.full((len(tiles[0]), GAP, *first.shape[2:]), 255, np.uint8)
    return np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)


def planes(x: np.ndarray) -> np.ndarray | None:
    """An input in its data's shape as `(H, W)` or `(H, W, 3)` float64, if it is an image."""
    shape = squeezed(x.shape)
    x = x.reshape(shape).astype(np.float64)
    if len(shape) == 2:
        return x
    if len(shape) == 3 and shape[0] == 3:
        return x.transpose(1, 2, 0)
    return x if len(shape) == 3 and shape[2] == 3 else None
