"""Where an entry of a resized axis comes from, as places or as a matrix of weights."""

from dataclasses import dataclass

import numpy as np

from verifier.formats.onnx.call import Obstacle

SNAP = 1e-14  # of the size: a position this near to an entry is that entry, and a weight that is 0 comes out as 0


@dataclass(frozen=True)
class Axis:
    """One axis of `size` entries that gets `out`. `scale` is what the file states, `out / size` only nearly."""

    size: int
    out: int
    scale: float
    style: str
    roi: tuple[float, float] = (0.0, 1.0)

    @property
    def idle(self) -> bool:
        return self.size == self.out and self.scale == 1 and self.style != "tf_crop_and_resize"

    def coordinates(self, real: type[np.floating] = np.float64) -> np.ndarray:
        """Position in the old axis of every new entry. `real` float32 reproduces where a runtime rounds."""
        i, n, out = np.arange(self.out).astype(real), real(self.size), real(self.out)
        scale, half = real(self.scale), real(0.5)
        match self.style:
            case "half_pixel":
                return (i + half) / scale - half
            case "half_pixel_symmetric":
                adjustment = out / (scale * n)
                return n / 2 * (1 - adjustment) + (i + half) / scale - half
            case "pytorch_half_pixel":
                return (i + half) / scale - half if self.out > 1 else np.zeros_like(i)
            case "align_corners":
                return i * ((n - 1) / (out - 1)) if self.out > 1 else np.zeros_like(i)
            case "asymmetric":
                return i / scale
            case "tf_half_pixel_for_nn":
                return (i + half) / scale
            case "tf_crop_and_resize":
                start, end = (real(r) for r in self.roi)
                step = (end - start) * (n - 1) / (out - 1) if self.out > 1 else real(0)
                return start * (n - 1) + i * step if self.out > 1 else half * (start + end) * (n - 1) + i
        raise Obstacle(f"coordinate mode {self.style!r} is not supported")

    def leaves(self) -> bool:
        """Whether entries from outside of the axis are asked for and replaced by a fixed value."""
        if self.style != "tf_crop_and_resize":
            return False
        places = self.coordinates()
        return bool(((places < 0) | (places > self.size - 1)).any())


def nearest(axis: Axis, rounding: str) -> np.ndarray:
    """Places that nearest neighbour takes."""
    x = axis.coordinates(np.float32)
    match rounding:
        case "round_prefer_floor":
            places = np.ceil(x - np.float32(0.5))
        case "round_prefer_ceil":
            places = np.floor(x + np.float32(0.5))
        case "floor":
            places = np.floor(x)
        case "simple":  # before opset 11 nothing was specified; this is what the runtimes agreed on
            places = np.ceil(x) if axis.scale < 1 else np.floor(x)
        case "ceil":
            places = np.ceil(x)
        case _:
            raise Obstacle(f"nearest mode {rounding!r} is not supported")
    return np.clip(places, 0, axis.size - 1).astype(np.int64)


def matrix(axis: Axis, mode: str, rounding: str, coefficient: float, exclude: bool) -> np.ndarray:
    """`(out, size)` weights."""
    x = axis.coordinates()
    near = x.round()
    x = np.where(np.abs(x - near) < SNAP * axis.size, near, x)
    rows = np.arange(axis.out)
    weights = np.zeros((axis.out, axis.size))
    if mode == "nearest":
        weights[rows, nearest(axis, rounding)] = 1
    elif mode == "linear":
        x = np.clip(x, 0, axis.size - 1)
        low = np.floor(x).astype(np.int64)
        np.add.at(weights, (rows, low), 1 - (x - low))
        np.add.at(weights, (rows, np.minimum(low + 1, axis.size - 1)), x - low)
    elif mode == "cubic":
        low = np.floor(x).astype(np.int64)
        for tap in range(-1, 3):
            place = low + tap
            share = cubic(np.abs(x - place), coefficient)
            share = np.where((place >= 0) & (place < axis.size), share, 0) if exclude else share
            np.add.at(weights, (rows, np.clip(place, 0, axis.size - 1)), share)
        if exclude:
            weights /= weights.sum(axis=1, keepdims=True)
    else:
        raise Obstacle(f"mode {mode!r} is not supported")
    if axis.style == "tf_crop_and_resize":
        places = axis.coordinates()
        weights[(places < 0) | (places > axis.size - 1)] = 0
    return weights


def cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """The cubic convolution kernel with parameter `a` (Keys 1981)."""
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))
