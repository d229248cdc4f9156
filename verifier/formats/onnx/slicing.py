"""ONNX's rules for slices, in one place for folding and translating."""

from verifier.errors import InvalidModel


def one_slice(start: int, end: int, step: int, size: int) -> slice:
    """ONNX's clamping as a Python slice."""
    if step == 0:
        raise InvalidModel("a slice with step zero")
    start, end = (n + size if n < 0 else n for n in (start, end))
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    end = min(max(end, -1), size - 1)
    return slice(min(max(start, 0), size - 1), None if end < 0 else end, step)
