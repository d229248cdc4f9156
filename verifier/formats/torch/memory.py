"""Operators that write in place. Names that share memory with what is written would change behind our back."""

from typing import Any

from verifier.formats.torch import aten
from verifier.formats.torch.program import Call, names
from verifier.formats.torch.site import Blocked, Obstacle, Ref

MAY_SHARE = frozenset(
    [
        "_unsafe_view.default",
        "alpha_dropout.default",
        "atleast_1d.default",
        "atleast_2d.default",
        "channel_shuffle.default",
        "dropout.default",
        "einsum.default",
        "feature_dropout.default",
        "meshgrid.indexing",
        "pad.default",
        "pixel_shuffle.default",
        "pixel_unshuffle.default",
        "type_as.default",
        "unsafe_chunk.default",
        "unsafe_split.Tensor",
    ]
)  # results that may share memory with an argument although the schema does not say so


SHARED = (
    "a tensor that shares memory with one that was changed in place "
    "(saving program.run_decompositions({}) instead removes such writes)"
)


class Memory:
    """Sets of names that may share memory, grown call by call."""

    def __init__(self, stored: frozenset[str]) -> None:
        self._stored = stored
        self._groups: dict[str, set[str]] = {}

    def check(self, call: Call) -> None:
        """Refuse to write to weights and buffers: the module would be another one after each run."""
        if aten.writes(call.target) and self._group(target_name(call)) & self._stored:
            raise Obstacle("changes a weight or buffer of the module")

    def follow(self, call: Call, results: dict[str, Any], env: dict[str, Any]) -> None:
        """Note which names share memory from here on; after a write only two of them have a value that we know."""
        sources = list(names(call.arguments))
        if aten.writes(call.target):
            written = target_name(call)
            group = self._group(written)
            for name in group - {written}:
                env[name] = Blocked(SHARED)
            for value in results.values():
                env[written] = value
            for name in results:
                self._join(group, name)
            return
        shares = aten.returns_view(call.target) or call.target in aten.PYTHON or call.target in MAY_SHARE
        for name, value in results.items():
            for source in sources:
                if shares or (isinstance(value, Ref) and value == env.get(source)):
                    self._join(self._group(source), name)

    def _group(self, name: str) -> set[str]:
        return self._groups.setdefault(name, {name})

    def _join(self, group: set[str], name: str) -> None:
        group |= self._group(name)
        for member in group:
            self._groups[member] = group


def target_name(call: Call) -> str:
    """The name that an operator writes to: its first argument."""
    return next(names(call.arguments))
