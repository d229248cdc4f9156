"""An instance as one tool gets it."""

import gzip
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compete.instances import Instance


@dataclass(frozen=True)
class Question:
    """An instance as one tool gets it: absolute paths (unpacked if need be) and a folder of its own to write in."""

    category: str
    models: Mapping[str, Path]
    query: Path
    seconds: float
    scratch: Path

    @property
    def results(self) -> Path:
        return self.scratch / "results.txt"

    @property
    def onnx(self) -> str:
        """The network argument of interfaces that have only one: a path, or the list's literal."""
        if list(self.models) == [""]:
            return str(self.models[""])
        return repr([(name, str(path)) for name, path in self.models.items()])


def opened(path: Path) -> str:
    """The text of a file, packed or not."""
    return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()


def networks(query: Path) -> list[str]:
    """Names of the networks that want a file. A 1.0 query declares none; its one network is called N."""
    text = re.sub(r";[^\n]*", "", opened(query))
    declared = re.findall(r"\(\s*declare-network\s+(\w+)\s*(\(\s*equal-to\b)?", text)
    return [name for name, equal in declared if not equal] or ["N"]


def question(instance: Instance, seconds: float, scratch: Path, *, unpacked: bool) -> Question:
    """The instance as a tool gets it; `unpacked` for one that can't read `.gz`. This happens before any clock runs."""

    def given(path: Path) -> Path:
        if not (unpacked and path.suffix == ".gz"):
            return path.resolve()
        plain = scratch / path.stem
        with gzip.open(path, "rb") as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        return plain

    models = {name: given(path) for name, path in instance.models.items()}
    return Question(instance.category, models, given(instance.query), seconds, scratch)
