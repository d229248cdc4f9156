"""The files that the user names, looked at before anything heavy is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import InputError

if TYPE_CHECKING:
    from verifier.formats.vnnlib.query import Query


def exists(path: str) -> None:
    """Raise where there is neither a file nor a directory."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file")


def is_file(path: str, needed: str = "give a file in it") -> None:
    """Raise where there is no file; `needed` is what to do about a directory."""
    exists(path)
    if Path(path).is_dir():
        raise InputError(f"{path} is a directory; {needed}")


def is_model(path: str) -> None:
    """Raise where no network can be."""
    is_file(path, "an .onnx, .onnx.gz or .pt2 file is needed")


def mapping(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Networks by name, each given once, each file there."""
    found: dict[str, str] = {}
    for name, path in pairs:
        if name in found:
            raise InputError(f"--network {name}=... was given twice")
        is_file(path)
        found[name] = path
    return found


def the_only(query: "Query", model: str) -> dict[str, str]:
    """The file of the only network that needs one."""
    own = [network.name for network in query.networks if not network.equal_to]
    if len(own) != 1:
        raise InputError(f"the property declares the networks {', '.join(own)}; give each: --network {own[0]}={model}")
    return {own[0]: model}
