"""What a proof of bounds rests on, noted for a certificate: which nodes were tightened, and with which slopes.

Slopes are kept as bytes, shares of their ranges, and are rounded to these before anything is proved with them: who
proves the same again has the same slopes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from verifier.graph.ops.activation import Relu
from verifier.graph.ops.product import Product
from verifier.interval import Interval
from verifier.relaxations.relaxation import Lines, Slopes
from verifier.relaxations.table import Table

FORMULAS = (Relu, Product)  # their usual slopes follow from the interval
LEVELS = 255  # of a slope that is kept: slopes are guesses, and a byte of one is as sound as all of it

Shares = Mapping[str, Mapping[str, Tensor]]  # for a node and a side, bytes (S, B, *)


def packed(share: Tensor) -> Tensor:
    """Shares in [0, 1] as bytes."""
    return (share.detach() * LEVELS).round().to(torch.uint8)


def unpacked(share: Tensor, dtype: torch.dtype) -> Tensor:
    return share.to(dtype) / LEVELS


@dataclass(frozen=True, eq=False)
class Start:
    """Slopes of the bounds of entries `index (S, N)` of a node, for the inputs `which (N,)`: `shares (2S, N, *)`, first
    those of lower bounds."""

    which: Tensor
    index: Tensor
    shares: Shares


@dataclass(eq=False)
class Notes:
    """Of one run over `B` inputs. `level`: by interval arithmetic only; `grounded`: rows again, with zero below every
    ReLU; `bands`: symbols of these, beside walks; `symbols`: of zonotopes, the most behind each node. `unsupported`
    says why no certificate can be had; `standard` holds the usual slopes `(B, *)` of the lines of nodes other than
    ReLUs and products, which have formulas."""

    level: bool = False
    grounded: bool = False
    bands: int = 0
    symbols: Mapping[str, int] = field(default_factory=dict)
    tightened: list[str] = field(default_factory=list)
    starts: dict[str, list[Start]] = field(default_factory=dict)
    rows: list[tuple[int, Shares]] = field(default_factory=list)
    standard: dict[str, Slopes] = field(default_factory=dict)
    unsupported: str = ""

    def start(self, name: str, which: Tensor, index: Tensor, shares: Shares) -> None:
        if any(len(x) != 2 * len(index) for sides in shares.values() for x in sides.values()):
            self.unsupported = "slopes that rows share"
        self.starts.setdefault(name, []).append(Start(which, index, shares))

    def row(self, first: int, shares: Shares) -> None:
        self.rows.append((first, shares))

    def join(self, first: "Notes", second: "Notes") -> None:
        """Take what was noted of the first inputs and of all others, where no slopes were optimised."""
        for name in ("level", "grounded", "symbols", "unsupported"):
            setattr(self, name, getattr(second, name))
        self.bands = max(first.bands, second.bands)
        for name, slopes in first.standard.items():
            pairs = zip(*((s.lower, s.upper) for s in (slopes, second.standard[name])), strict=True)
            self.standard[name] = Slopes(*(torch.cat(pair) for pair in pairs))

    def lines(self, lines: Mapping[str, Lines], curved: Mapping[str, object]) -> None:
        """The usual lines of all nodes."""
        self.standard = {name: line.slopes for name, line in lines.items() if not isinstance(curved[name], FORMULAS)}


def sloped(relaxations: Table, op: object, x: Interval, shares: Mapping[str, Tensor]) -> Slopes:
    """The slopes at these shares of their ranges over `x (B, *)`."""
    least, greatest = relaxations[type(op)].range(op, x)  # type: ignore[index,arg-type]
    ends = {}
    for side in ("lower", "upper"):
        low, high = getattr(least, side), getattr(greatest, side)
        ends[side] = low + unpacked(shares[side], low.dtype) * (high - low) if side in shares else low
    return Slopes(ends["lower"], ends["upper"])
