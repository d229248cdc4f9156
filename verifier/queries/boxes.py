"""Exact ranges of inputs to boxes in floating point: outwards for proofs, inwards for witnesses.

Witnesses are float32. Where a float32 network has an input whose range holds no float32 number (fixed to 0.1, say), the
nearest one is admitted, in proofs and as a witness: it is what the deployed network is given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch

from verifier.formats.vnnlib.query import Query
from verifier.interval import Interval
from verifier.properties.cases import Range
from verifier.properties.expression import Entry
from verifier.queries.networks import Joint, entries
from verifier.regions.box import Box, Inner

LARGEST = {"float32": float(np.finfo(np.float32).max), "float64": float(np.finfo(np.float64).max)}
Number = Fraction | Decimal


@dataclass(frozen=True, eq=False)
class Ends:
    """Float64 arrays `(N,)`: a proof covers `outer`, a witness lies in `inner`. `meant` are exact values of places
    where a neighbour was admitted. `empty`: no number of the input's type lies in some range."""

    outer: tuple[np.ndarray, np.ndarray]
    inner: tuple[np.ndarray, np.ndarray]
    meant: Mapping[int, Fraction]
    empty: bool


class Boxes:
    """The boxes of a query's cases over the joint input."""

    def __init__(self, query: Query, joint: Joint) -> None:
        self.query, self.joint = query, joint
        alone = len(joint.parts) == 1 and not joint.tied
        self.shape = joint.parts[0].model.graph.input.shape if alone else (joint.entries,)
        self.kept = np.unique(joint.read, return_index=True)[1]  # the entries that stand for those tied to them
        self.base = Base(query)
        self.types = {v.name: v.dtype for n in query.networks for v in n.inputs}
        self.whole, self.open = self._whole()

    def _whole(self) -> tuple[Ends, np.ndarray]:
        """What holds in every case, and which ends nobody gave, `(2, N)`. Ties belong to cases: theirs hold all ranges
        of what is tied, here is that of the entry that stands for the others."""
        least, greatest, parts = self.query.least, self.query.greatest, []
        opened = np.zeros((2, len(self.joint.read)), dtype=bool)
        for network in self.query.networks:
            for v in network.inputs:
                own = list(entries(v))
                low, high = [least.get(e) for e in own], [greatest.get(e) for e in own]
                first = self.joint.inputs[v.name]
                opened[0, first : first + len(low)] = [end is None for end in low]
                opened[1, first : first + len(low)] = [end is None for end in high]
                parts.append(self._ends(v.name, low, high))
        meant: dict[int, Fraction] = {}
        for first, part in zip(self.joint.inputs.values(), parts, strict=True):
            at = {first + i: value for i, value in part.meant.items()}
            places = {i: int(self.joint.read[i]) for i in at}
            meant |= {places[i]: value for i, value in at.items() if self.kept[places[i]] == i}
        outer, inner = (
            tuple(np.concatenate([getattr(p, side)[k] for p in parts])[self.kept] for k in (0, 1))
            for side in ("outer", "inner")
        )
        return Ends(outer, inner, meant, any(p.empty for p in parts)), opened[:, self.kept]  # type: ignore[arg-type]

    def _ends(
        self,
        variable: str,
        low: Sequence[Number | None],
        high: Sequence[Number | None],
        strict: tuple[bool, bool] = (False, False),
    ) -> Ends:
        declared = self.types[variable]
        admits = self.joint.types.get(variable) == "float32" and not any(strict)
        return ends(low, high, strict, LARGEST.get(declared, LARGEST["float32"]), admits, declared != "real")

    def of(self, cases: Sequence[Mapping[Entry, Range]]) -> tuple[Box, list[Mapping[int, Fraction]], list[int]]:
        """The boxes of those of `cases` that are not empty, what admitted numbers stand for, and which cases."""
        rows, meant, kept = [], [], []
        for index, case in enumerate(cases):
            found = self._case(case)
            if not found.empty:
                rows.append(np.stack([*found.outer, *found.inner]))
                meant.append(found.meant)
                kept.append(index)
        sides = torch.from_numpy(np.stack(rows, axis=1) if rows else np.zeros((4, 0, self.joint.entries)))
        low, high, least, greatest = (side.reshape(-1, *self.shape) for side in sides)
        return Box(Interval(low, high), Inner(least, greatest)), meant, kept

    def _case(self, case: Mapping[Entry, Range]) -> Ends:
        """The query's ends, where the case has narrower ones these. Their ranges hold the query's own."""
        if not case:
            return self.whole
        outer, inner = (tuple(side.copy() for side in pair) for pair in (self.whole.outer, self.whole.inner))
        meant, empty = dict(self.whole.meant), self.whole.empty
        alike: dict[tuple[str, bool, bool], list[tuple[int, Range]]] = {}
        for entry, range in case.items():
            alike.setdefault((entry.name, range.above, range.below), []).append((self.joint.place(entry), range))
        for (name, *strict), found in alike.items():
            places, ranges = zip(*found, strict=True)
            own = self._ends(name, [r.least for r in ranges], [r.greatest for r in ranges], (strict[0], strict[1]))
            for i, place in enumerate(places):
                meant.pop(place, None)
                if i in own.meant:
                    meant[place] = own.meant[i]
            empty |= own.empty
            for k in (0, 1):
                outer[k][list(places)], inner[k][list(places)] = own.outer[k], own.inner[k]
        return Ends(outer, inner, meant, empty)  # type: ignore[arg-type]

    def unbounded(self, case: Mapping[Entry, Range]) -> tuple[np.ndarray, bool]:
        """Ends `(2, N)` that are open in the case too, and whether one is of an input of real numbers."""
        opened = self.open.copy()
        for entry, range in case.items():
            place = self.joint.place(entry)
            opened[:, place] = [range.least is None, range.greatest is None]
        real = False
        for name, first in self.joint.inputs.items():
            size = math.prod(self.query.variable(name).shape)
            real |= self.types[name] == "real" and bool(opened[:, self.joint.read[first : first + size]].any())
        return opened, real


class Base(Mapping[Entry, Range]):
    """The bounds that hold in every case, as ranges made on demand."""

    def __init__(self, query: Query) -> None:
        self.query = query

    def __getitem__(self, entry: Entry) -> Range:
        low, high = self.query.least.get(entry), self.query.greatest.get(entry)
        return Range(None if low is None else Fraction(low), None if high is None else Fraction(high))

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter({**self.query.least, **self.query.greatest})

    def __len__(self) -> int:
        return len({**self.query.least, **self.query.greatest})

    def contradictory(self) -> bool:
        greatest = self.query.greatest
        return any(entry in greatest and low > greatest[entry] for entry, low in self.query.least.items())


def clipped(box: Box, opened: np.ndarray, size: float) -> Box:
    """The part of the box where inputs without an end lie within `size` of their other end, or of zero: where to look
    for a witness."""
    open_low, open_high = (torch.from_numpy(side).reshape(box.shape) for side in opened)
    low, high = box.inner.lower, box.inner.upper
    low = torch.where(open_low, torch.where(open_high, torch.full_like(low, -size), high - size), low)
    high = torch.where(open_high, torch.where(open_low, torch.full_like(high, size), low + size), high)
    return Box(Interval(low, high), Inner(low, high))


def ends(
    low: Sequence[Number | None],
    high: Sequence[Number | None],
    strict: tuple[bool, bool],
    largest: float,
    admits: bool,
    typed: bool,
) -> Ends:
    """Ranges in floating point. `largest` stands for an end that is missing; `typed`: only numbers up to it exist."""
    lower, inside = _around(low, -largest)
    within, upper = _around(high, largest)
    least, greatest = ceil32(inside), floor32(within)
    if strict[0]:
        least = np.where([end is not None and end == Fraction(v) for end, v in _finite(low, least)], up32(least), least)
    if strict[1]:
        equal = [end is not None and end == Fraction(v) for end, v in _finite(high, greatest)]
        greatest = np.where(equal, -up32(-greatest), greatest)
    meant: dict[int, Fraction] = {}
    if admits:
        for i in np.flatnonzero(least > greatest).tolist():
            exact = Fraction(low[i] if low[i] is not None else high[i])  # type: ignore[arg-type]
            if abs(exact) <= LARGEST["float32"]:
                near = float(np.float32(nearest(exact)))
                least[i] = greatest[i] = near
                lower[i], upper[i] = min(lower[i], near), max(upper[i], near)
                meant[i] = exact
    empty = False
    if typed:
        lower, upper = np.maximum(lower, -largest), np.minimum(upper, largest)
        none32 = largest == LARGEST["float32"] and bool((least > greatest).any())  # and so no number of the type
        empty = none32 or bool((lower > upper).any())
    return Ends((lower, upper), (least, greatest), meant, empty)


def _around(ends: Sequence[Number | None], missing: float) -> np.ndarray:
    """The float64 neighbours of exact numbers, below and above: `(2, N)`, equal where the number is one."""
    found = [(missing, missing) if end is None else around(end) for end in ends]
    return np.ascontiguousarray(np.array(found, dtype=np.float64).reshape(-1, 2).T)


def _finite(ends: Sequence[Number | None], values: np.ndarray) -> list[tuple[Fraction | None, float]]:
    pairs = zip(ends, values.tolist(), strict=True)
    return [(None if end is None or not math.isfinite(v) else Fraction(end), v) for end, v in pairs]


@lru_cache(maxsize=2**16)  # the same few numbers bound many entries
def around(exact: Number) -> tuple[float, float]:
    """The greatest float64 that is at most `exact`, and the least that is at least `exact`."""
    near = nearest(exact)
    if near == exact:
        return near, near
    return (near, math.nextafter(near, math.inf)) if near < exact else (math.nextafter(near, -math.inf), near)


def nearest(exact: Number) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def floor32(x: np.ndarray) -> np.ndarray:
    """The greatest float32 that is at most `x`, as float64."""
    return -ceil32(-x)


def ceil32(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        near = x.astype(np.float32)
    return np.where(near < x, np.nextafter(near, np.float32(np.inf)), near).astype(np.float64)


def up32(x: np.ndarray) -> np.ndarray:
    """The next float32 above."""
    return np.nextafter(x.astype(np.float32), np.float32(np.inf)).astype(np.float64)
