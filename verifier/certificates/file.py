"""Certificate files: a zip archive of `header.json` and arrays, as numpy writes them. Nothing in it is executed.

A certificate is a nested value of dictionaries, lists, numbers, texts and arrays; in the header an array is
`{"array": "12.npy"}`. `FORMAT.md` says what the keys mean. Whoever reads one believes nothing: `Reader` says where
something is not what it should be.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from verifier.errors import InputError

VERSION = 5
HEADER = "header.json"
LARGEST = 2**33  # bytes that a file may unpack to
KINDS = "bBiuf"  # of arrays: truth values, whole numbers and floats; objects would be pickled


def save(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write `value`; arrays are compressed."""
    arrays: list[np.ndarray] = []

    def plain(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            arrays.append(x)
            return {"array": f"{len(arrays) - 1}.npy"}
        if isinstance(x, Mapping):
            return {str(key): plain(item) for key, item in x.items()}
        return [plain(item) for item in x] if isinstance(x, list | tuple) else x

    header = json.dumps({"version": VERSION, **plain(value)})
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(HEADER, header)
            for i, array in enumerate(arrays):
                with archive.open(f"{i}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}") from error


def load(path: str | Path) -> "Reader":
    """The certificate in `path`.

    Raises:
        InputError: it is none, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise InputError(f"{path}: it would unpack to more than {LARGEST:,} bytes")
            header = json.loads(archive.read(HEADER))
            arrays = {name: _array(archive.read(name)) for name in archive.namelist() if name != HEADER}
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is no certificate, or a damaged one: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise InputError(f"{path} is no certificate: {type(error).__name__}") from error
    reader = Reader(header, arrays, Path(path).name)
    if (version := reader["version"].number()) != VERSION:
        raise InputError(f"{path} has format version {version}; this program reads {VERSION}")
    return reader


def _array(data: bytes) -> np.ndarray:
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype.kind not in KINDS:
        raise ValueError(f"an array of {array.dtype}")
    return array


class Reader:
    """A value in a certificate and its place there; each method says what must be found."""

    def __init__(self, value: Any, arrays: Mapping[str, np.ndarray], where: str) -> None:
        self._value, self._arrays, self.where = value, arrays, where

    def __getitem__(self, key: str) -> "Reader":
        value = self._dict()
        if key not in value:
            raise self.wrong(f"{key} is missing")
        return self._inner(value[key], key)

    def __contains__(self, key: str) -> bool:
        return key in self._dict()

    def items(self) -> Iterator[tuple[str, "Reader"]]:
        for key, value in self._dict().items():
            yield key, self._inner(value, key)

    def list(self) -> "Sequence[Reader]":
        if not isinstance(self._value, list):
            raise self.wrong("is no list")
        return [self._inner(value, str(i)) for i, value in enumerate(self._value)]

    def text(self) -> str:
        if not isinstance(self._value, str):
            raise self.wrong("is no text")
        return self._value

    def number(self) -> int:
        if not isinstance(self._value, int):
            raise self.wrong("is no whole number")
        return int(self._value)

    def array(self, kind: str, *shape: int) -> np.ndarray:
        """An array with entries of `kind` ("f" finite floats, "i" whole numbers, "u" bytes, "b" truth values); a
        negative size may be any."""
        name = self._dict().get("array")
        array = self._arrays.get(name) if isinstance(name, str) else None
        if array is None:
            raise self.wrong("is no array")
        if array.dtype.kind not in {"f": "f", "i": "iu", "u": "u", "b": "b"}[kind] or (
            kind == "u" and array.itemsize > 1
        ):
            raise self.wrong(f"has entries of {array.dtype}")
        if len(array.shape) != len(shape) or any(
            n not in (m, -1) and n >= 0 for m, n in zip(array.shape, shape, strict=True)
        ):
            raise self.wrong(f"has shape {array.shape}; expected {shape}")
        if kind == "f" and not np.isfinite(array).all():
            raise self.wrong("holds a number that is not finite")
        return array.astype({"f": np.float64, "i": np.int64, "u": np.uint8, "b": np.bool_}[kind], copy=False)

    def wrong(self, what: str) -> InputError:
        return InputError(f"{self.where}: {what}")

    def _dict(self) -> Mapping[str, Any]:
        if not isinstance(self._value, dict):
            raise self.wrong("is no table of names")
        return self._value

    def _inner(self, value: Any, key: str) -> "Reader":
        return Reader(value, self._arrays, f"{self.where}/{key}")
