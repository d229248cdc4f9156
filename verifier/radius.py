"""How far: the largest radius that is proved and the smallest that is broken, for each input.

Two bisections on a logarithmic scale, batched: every input has its own radius in every round. A proof at some radius
covers all smaller ones; a witness breaks every radius from its own distance on. What lies between the two is open.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verifier.api import compare, verify_each
from verifier.attacks.attack import Attack
from verifier.errors import InputError
from verifier.model import Model
from verifier.plan import Plan, plan
from verifier.properties import Specification
from verifier.regions.norm import around, distance
from verifier.verdict import Falsified, Reason, Unknown, Verified

RATIO, ABSOLUTE = 1.02, 1e-4  # stop where the ends of a gap are as near as this
GROWTH = 2.0
FARTHEST = 2.0**20  # times the first radius, where the valid range is infinite
SHARE = 0.01  # of the valid range: where the search starts, if it is not told


@dataclass(frozen=True, eq=False)
class Radius:
    """`verified` is the largest proved radius (0 where none was), `broken` the smallest broken one (inf where none).

    `proof`, `witness` and `open` are the verdicts behind them; `open` says why the gap between them was left, and
    `late` that time ran out before the search had ended.
    """

    index: int
    verified: float
    broken: float
    seconds: float
    proof: Verified | None
    witness: Falsified | None
    open: Unknown | None
    late: bool = False


@dataclass(eq=False)
class _Search:
    """One input: all radii up to `verified` hold, `failed` was not proved; `held` withstood attacks, `broken` fell."""

    index: int
    start: float
    limit: float
    proves: bool
    verified: float = 0.0
    failed: float = math.inf
    held: float = 0.0
    broken: float = math.inf
    seconds: float = 0.0
    proof: Verified | None = None
    witness: Falsified | None = None
    open: Unknown | None = None

    def next(self) -> tuple[bool, float] | None:
        """Prove or only attack, at which radius? None when both gaps are small."""
        ceiling = min(self.failed, self.broken)
        if self.proves and (radius := self._between(self.verified, ceiling)) is not None:
            return True, radius
        if (radius := self._between(max(self.held, self.verified), self.broken)) is not None:
            return False, radius
        return None

    def _between(self, low: float, high: float) -> float | None:
        if high == math.inf:
            return None if low >= self.limit else min(self.limit, GROWTH * low if low else self.start)
        low = max(low, ABSOLUTE)
        return None if high - low <= max((RATIO - 1) * low, ABSOLUTE) else math.sqrt(low * high)

    def learn(self, radius: float, proving: bool, verdict: Verified | Falsified | Unknown, far: float) -> None:
        """`far` is the distance of the witness, where there is one."""
        if isinstance(verdict, Verified):
            self.verified, self.proof = max(self.verified, radius), verdict
        elif isinstance(verdict, Falsified):
            self.broken, self.witness = min(self.broken, far, radius), verdict
        else:
            self.held = max(self.held, radius)
            if proving:
                self.failed, self.open = min(self.failed, radius), verdict
        if self.proof is not None and self.verified >= self.broken:
            raise RuntimeError(f"radius {self.verified} was proved, but {self.broken} was broken: a bug, please report")

    def result(self, late: bool) -> Radius:
        open_ = self.open
        if late:
            open_ = Unknown(Reason.TIME, open_.best if open_ else -math.inf, open_.method if open_ else "none")
        return Radius(self.index, self.verified, self.broken, self.seconds, self.proof, self.witness, open_, late)


def max_radius(
    model: Model,
    center: Tensor,
    specification: Specification,
    *,
    norm: str = "inf",
    lower: float = 0.0,
    upper: float = 1.0,
    start: float | None = None,
    method: Plan = "auto",
    timeout: float = 60.0,
    note: Callable[[str], None] = lambda _: None,
    check: bool = True,
    **settings: Any,
) -> Iterator[Radius]:
    """The largest verified and the smallest broken radius around each of `center (B, *in)`, as they are found.

    Args:
        specification: one question for each centre; it should hold at the centre.
        norm: `inf`, `2` or `1`.
        lower, upper: the valid input range.
        start: the first radius that is tried; a hundredth of the range's size if None.
        timeout: seconds of work for one input, all its radii together.
        check: first compare the graph with the model's own engine, as `verify_each` does.
        **settings: `device`, `dtype`, `seed` and `memory`, as for `verify_each`.

    Method: bisection to 2 %, or 1e-4 where that is coarser. `auto` means `bounds` here: a search would spend the whole
    time on the first radius that bounds leave open.
    """
    method = "bounds" if method == "auto" else method
    searches = _start(center, norm, lower, upper, start, plan(method))
    if check:
        compare(model, around(center, searches[0].start if searches else 0.0, norm, lower, upper))
    probe = _Probe(model, center, specification, norm, (lower, upper), note, settings)
    while searches:
        for proving in (True, False):
            wanted = [(s, p[1]) for s in searches if (p := s.next()) is not None and p[0] is proving]
            if wanted:
                left = timeout - max(s.seconds for s, _ in wanted)
                probe(wanted, proving, method if proving else "attack", left)
        ended = [s for s in searches if s.seconds >= timeout or s.next() is None]
        searches = [s for s in searches if s not in ended]
        yield from (s.result(late=s.next() is not None) for s in ended)


@dataclass(frozen=True, eq=False)
class _Probe:
    """One round: every wanted input at its own radius."""

    model: Model
    center: Tensor
    specification: Specification
    norm: str
    range: tuple[float, float]
    note: Callable[[str], None]
    settings: dict[str, Any]

    def __call__(self, wanted: list[tuple[_Search, float]], proving: bool, method: Plan, timeout: float) -> None:
        index = torch.tensor([search.index for search, _ in wanted])
        radius = torch.tensor([r for _, r in wanted], dtype=torch.float64)
        self.note(f"{'proof' if proving else 'attack'}, radius {radius.min():.3g} to {radius.max():.3g}")
        region = around(self.center[index], radius, self.norm, *self.range)
        question = self.specification.select(index)
        for answer in verify_each(
            self.model, region, question, method=method, timeout=timeout, check=False, **self.settings
        ):
            search, r = wanted[answer.index]
            search.seconds += answer.seconds
            search.learn(r, proving, answer.verdict, self._far(answer.verdict, search.index))

    def _far(self, verdict: object, index: int) -> float:
        if not isinstance(verdict, Falsified):
            return math.inf
        return float(distance(torch.from_numpy(verdict.witness)[None], self.center[index][None], self.norm))


def _start(
    center: Tensor, norm: str, lower: float, upper: float, start: float | None, stages: Sequence[object]
) -> list[_Search]:
    """Nothing is searched beyond the radius that reaches every valid input."""
    size = center[0].numel()
    limit = (upper - lower) * {"2": math.sqrt(size), "1": size}.get(norm, 1.0)
    first = limit * SHARE if start is None else min(start, limit)
    if not 0 < first < math.inf:
        raise InputError(f"the search for a radius can't start at {first:g}; give a positive radius to start from")
    limit = min(limit, first * FARTHEST)
    proves = any(not isinstance(stage, Attack) for stage in stages)
    return [_Search(index, first, limit, proves) for index in range(len(center))]
