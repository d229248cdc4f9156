"""From a path to a parsed protobuf. Files may be truncated, replaced by a pointer, or made to exhaust memory."""

import gzip
import zlib
from pathlib import Path

from onnx import ModelProto

from verifier.errors import InputError, InvalidModel

MAX_BYTES = 2**31 - 1  # protobuf can't hold more; larger models keep their weights in external data
CHUNK = 2**24
LFS = b"version https://git-lfs.github.com/spec"


def read_model(path: Path) -> ModelProto:
    """Parse `.onnx` or `.onnx.gz` (recognised by content)."""
    return parse(read_bytes(path), path.name)


def read_bytes(path: Path) -> bytes:
    """The file's content, decompressed within `MAX_BYTES`."""
    try:
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise InputError(f"{path} {what}; an ONNX file (.onnx or .onnx.gz) is needed")
        with path.open("rb") as file:
            head = file.read(2)
            file.seek(0)
            if head == b"\x1f\x8b":
                return _decompress(file, path.name)
            if path.stat().st_size > MAX_BYTES:
                raise InvalidModel(f"{path.name}: larger than 2 GiB; such models keep their weights in external data")
            return file.read()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from error


def parse(data: bytes, name: str) -> ModelProto:
    """The protobuf, if it is one and holds a graph."""
    if not data:
        raise InvalidModel(f"{name}: the file is empty")
    if data.startswith(LFS):
        raise InvalidModel(f"{name}: only a git-lfs pointer, the model itself was not downloaded. Run `git lfs pull`")
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # DecodeError, RecursionError: protobuf's own classes differ between its back ends
        raise InvalidModel(f"{name}: not an ONNX file, or truncated ({len(data):,} bytes; {error})") from error
    if not model.HasField("graph") or not model.graph.output:
        raise InvalidModel(f"{name}: not an ONNX model: it holds no graph with an output")
    return model


def _decompress(file: object, name: str) -> bytes:
    parts: list[bytes] = []
    total = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:  # type: ignore[call-overload]
            while part := stream.read(CHUNK):
                total += len(part)
                if total > MAX_BYTES:
                    raise InvalidModel(f"{name}: decompresses to more than 2 GiB, which no ONNX file can be")
                parts.append(part)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidModel(f"{name}: the gzip data is truncated or damaged ({error})") from error
    return b"".join(parts)
