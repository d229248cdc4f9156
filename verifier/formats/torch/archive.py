"""The outside of a `.pt2` file: a zip of uncompressed records. We read JSON and raw numbers; nothing is unpickled.

PyTorch's own loader unpickles sample inputs, tensor subclasses and custom objects, and evaluates symbolic sizes as
Python expressions; so a program from elsewhere is never given to it.
"""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verifier.errors import InputError, InvalidModel, UnsupportedModel
from verifier.graph.build import MAX_ENTRIES

MAX_JSON = 2**28  # bytes
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
OLD = "serialized_exported_program.json"


@dataclass(frozen=True)
class Archive:
    """Records by their names below the archive's root folder."""

    path: Path
    records: dict[str, zipfile.ZipInfo]

    def read(self, name: str) -> bytes:
        if name not in self.records:
            raise InvalidModel(f"{self.path.name} holds no {name}")
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.records[name])

    def json(self, name: str) -> Any:
        """A parsed record."""
        text = self.read(name)
        if len(text) > MAX_JSON:
            raise InvalidModel(f"{name}: {len(text):,} bytes of JSON; more than {MAX_JSON:,} are refused")
        return json.loads(text)

    def program_name(self) -> str:
        """The name of its only program."""
        if any(OLD in name for name in self.records):
            raise UnsupportedModel(f"{self.path.name} is of an old format. Try to save it again with a newer PyTorch.")
        found = [n[len("models/") : -len(".json")] for n in self.records if n.startswith("models/") and ".json" in n]
        if not found:
            raise UnsupportedModel(f"{self.path.name} holds no exported program. Try torch.export.save(program, path).")
        if len(found) > 1:
            raise UnsupportedModel(f"{self.path.name} holds {len(found)} programs: {', '.join(found)}. Save one alone.")
        return found[0]

    def tensors(self, folder: str, name: str) -> dict[str, Tensor]:
        """Weights or constants, in the dtypes of the file."""
        if f"data/{folder}/{name}.pt" in self.records:
            raise UnsupportedModel(f"{self.path.name} holds pickled {folder}, which are refused. Save it again.")
        config = self.json(f"data/{folder}/{name}_{folder}_config.json")["config"]
        return {key: self._tensor(f"data/{folder}", key, entry) for key, entry in config.items()}

    def _tensor(self, folder: str, key: str, entry: dict[str, Any]) -> Tensor:
        if entry["use_pickle"] or not isinstance(entry["tensor_meta"], dict):
            raise UnsupportedModel(f"{self.path.name}: {key} is a pickled object. Only plain tensors are read.")
        return view_of(self.read(f"{folder}/{entry['path_name']}"), entry["tensor_meta"], key)


def view_of(data: bytes, meta: dict[str, Any], key: str) -> Tensor:
    """A tensor's numbers out of the storage that it is a view of."""
    if meta["dtype"] not in DTYPES:
        raise UnsupportedModel(f"{key}: numbers of kind {meta['dtype']} are not supported")
    dtype = DTYPES[meta["dtype"]]
    sizes = [as_int(n) for n in meta["sizes"]]
    strides = [as_int(n) for n in meta["strides"]]
    offset = as_int(meta["storage_offset"])
    if min([*sizes, *strides, offset], default=0) < 0 or len(sizes) != len(strides):
        raise InvalidModel(f"{key}: negative or missing sizes")
    blank = torch.empty(sizes, dtype=dtype, device="meta")
    if blank.numel() > MAX_ENTRIES:
        raise InvalidModel(f"{key}: {blank.numel():,} entries; more than {MAX_ENTRIES:,} are refused")
    if blank.numel() == 0:
        return torch.empty(sizes, dtype=dtype)
    last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if (last + 1) * dtype.itemsize > len(data):
        raise InvalidModel(f"{key}: its record is too short for its shape")
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    whole = raw[: len(raw) // dtype.itemsize * dtype.itemsize]
    numbers = whole != 0 if dtype == torch.bool else whole.view(dtype)
    return numbers.as_strided(sizes, strides, offset).clone()


def as_int(value: dict[str, Any]) -> int:
    number = value["as_int"]
    if not isinstance(number, int) or number > 2**40:
        raise InvalidModel(f"{number!r:.40} is no size")
    return number


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """The records of a file. Compressed ones, and sizes that the file can't hold, are refused."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidModel(f"{path.name} is no readable .pt2 archive: {error}") from error
    if any(e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in entries):
        raise InvalidModel(f"{path.name} holds compressed records; PyTorch writes none")
    if sum(e.file_size for e in entries) > path.stat().st_size:
        raise InvalidModel(f"{path.name} claims more data than it holds")
    records = {entry.filename.partition("/")[2]: entry for entry in entries}
    if len(records) != len(entries):
        raise InvalidModel(f"{path.name} holds two records of the same name")
    return Archive(path, records)
