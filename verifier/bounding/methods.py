"""The incomplete methods, as values that are passed."""

from dataclasses import dataclass

MEMORY = 2**31  # bytes that coefficients may take, unless a user says otherwise


@dataclass(frozen=True)
class Ibp:
    """Interval arithmetic (Gowal et al. 2018), the rows merged with the last affine layers."""

    name = "interval"


@dataclass(frozen=True)
class Crown:
    """Linear bounds (Zhang et al. 2018); intermediate bounds by the same walk, or by intervals (CROWN-IBP)."""

    intermediate: bool = True

    @property
    def name(self) -> str:
        return "crown" if self.intermediate else "crown-ibp"


@dataclass(frozen=True)
class AlphaCrown:
    """CROWN with slopes that are optimised (Xu et al. 2021), for every row and start node on its own.

    `steps` of Adam with rate `lr`, decayed by `decay` a step; `shared` slopes are the same for all rows of one input.
    With `intermediate`, slopes of intermediate bounds are optimised too. Little momentum and a short memory of squares
    suit slopes, most of which end at 0 or 1: 10 steps reach what 20 do with Adam's usual ones.
    """

    steps: int = 10
    lr: float = 0.35
    decay: float = 0.95
    betas: tuple[float, float] = (0.3, 0.99)
    shared: bool = False
    intermediate: bool = True
    name = "alpha-crown"


@dataclass(frozen=True)
class Zonotope:
    """Forward linear bounds (Singh et al. 2018): one forward pass a symbol, so for regions where few inputs vary.

    At most `symbols` symbols are carried; rows are bounded forwards and, once, backwards.
    """

    symbols: int = 2048
    name = "zonotope"


Method = Ibp | Crown | AlphaCrown | Zonotope
