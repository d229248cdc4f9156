"""What a band is: a node between two linear functions of the symbols."""

from dataclasses import dataclass, replace

from torch import Tensor

from verifier.interval import Interval
from verifier.numerics import total

STRAIGHT, BENT, MIXED, DEEP = range(4)  # affine in the input; entries of one nonlinearity; sums of these; anything else


@dataclass(frozen=True, eq=False)
class Band:
    """`middle`, `gap (1 + G, B, *)`: the constants, then one coefficient for each symbol; `remainder (B, *)`. The gap
    is None where it is zero. `size (B, *)` is at least the sum of all absolute values that make an entry."""

    middle: Tensor
    gap: Tensor | None
    remainder: Tensor
    size: Tensor
    level: int

    def ends(self) -> tuple[Interval, Tensor]:
        """The interval, and the size from the same sums: `|m| + |g|` is the greater of `|m - g|` and `|m + g|`."""
        below, above = (self.middle,) * 2 if self.gap is None else (self.middle - self.gap, self.middle + self.gap)
        low = total(below[1:]) + self.remainder
        high = low if self.gap is None else total(above[1:]) + self.remainder
        size = (below[0].abs() + low) if self.gap is None else below[0].abs() + low + above[0].abs() + high
        return Interval(below[0] - low, above[0] + high), size

    @property
    def blur(self) -> Tensor:
        """How far a node may be from its middle: `(B, *)`."""
        return self.remainder if self.gap is None else total(self.gap) + self.remainder

    def entry(self, place: int) -> "Band":
        """One of those along the last axis."""
        gap = None if self.gap is None else self.gap[..., place]
        return replace(
            self,
            middle=self.middle[..., place],
            gap=gap,
            remainder=self.remainder[..., place],
            size=self.size[..., place],
        )
