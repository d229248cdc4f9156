"""VNN-LIB files of dialects 1.0 and 2.0 become a `Query`."""

import gc
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.errors import InputError
from verifier.formats.vnnlib.dialects import Dialect1, Dialect2
from verifier.formats.vnnlib.forms import Forms
from verifier.formats.vnnlib.query import Query
from verifier.formats.vnnlib.tokens import Mistake, without_comments

MOST_BYTES = 2**30
VERSION = re.compile(r"\s*+\(\s*+vnnlib-version\s++<(\d{1,3})\.(\d{1,3})>\s*+\)", re.ASCII)


def read(path: str | Path) -> Query:
    """A `.vnnlib` file, also one that gzip packed."""
    try:
        data = Path(path).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                data = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"can't read {path}: {error}") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8 text") from None
    return parse(text, str(path))


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for cycles: a large file makes a million objects and no cycle; a fifth of the time went there."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def parse(text: str, source: str = "VNN-LIB text") -> Query:
    """Text of either dialect: 2.0 says so in its first form, 1.0 need not. `source` is named in errors."""
    if text.startswith("version https://git-lfs"):
        raise InputError(f"{source} is only a Git LFS pointer, the file itself was not downloaded. Run `git lfs pull`")
    text = without_comments(text)
    if not text.strip():
        raise InputError(f"{source} holds no declaration and no assertion")
    header = VERSION.match(text)
    version, start = (f"{int(header[1])}.{int(header[2])}", header.end()) if header else ("1.0", 0)
    if version != "1.0" and not version.startswith("2."):
        raise InputError(f"{source}: expected VNN-LIB 1.0 or 2.0, found version {version}")
    dialect: Forms = Dialect1() if version == "1.0" else Dialect2()
    with uncollected():
        dialect.read(text, start, source)
    try:
        networks = dialect.scope.networks()
    except Mistake as mistake:
        raise InputError(f"{source}: {mistake}") from None
    asserted = dialect.asserted
    return Query(version, networks, tuple(asserted.formulas), asserted.least, asserted.greatest)
