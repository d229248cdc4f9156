"""From the name of a norm to the region around a point."""

from collections.abc import Callable

from torch import Tensor

from verifier.errors import InputError
from verifier.numerics import flat
from verifier.regions.ball import ball
from verifier.regions.box import linf
from verifier.regions.region import Region

NORMS: dict[str, Callable[[Tensor, Tensor | float, float, float], Region]] = {
    "inf": linf,
    "2": lambda center, radius, lower, upper: ball(center, radius, 2, lower, upper),
    "1": lambda center, radius, lower, upper: ball(center, radius, 1, lower, upper),
}


def around(center: Tensor, radius: Tensor | float, norm: str, lower: float, upper: float) -> Region:
    """All valid `x` with `||x - center|| <= radius`.

    Args:
        center: `(B, *)`.
        radius: in input units: one number, or `(B,)` numbers, one for each input.
        norm: `inf`, `2` or `1`.
        lower, upper: the valid input range; infinite where there is none.
    """
    if norm not in NORMS:
        raise InputError(f"no norm is called {norm!r}; there are {', '.join(NORMS)}")
    return NORMS[norm](center, radius, lower, upper)


def distance(x: Tensor, center: Tensor, norm: str) -> Tensor:
    """`||x - center||` for each input, `(B, *)` twice to `(B,)`, in float64 and by a hair too large."""
    step = flat(x.double() - center.double(), 1)
    return step.norm(p=float(norm), dim=1) * (1 + (step.shape[1] + 8) * 2.0**-52)
