"""Which inputs have a symbol of their own in forward bounds: a few of each region's, whatever varies elsewhere."""

from torch import Tensor

from verifier.interval import SINGLE, Interval
from verifier.numerics import flat

HARDLY = 0.01  # of the share of the input that varies most


def symbols(box: Interval, most: int) -> Tensor:
    """Of the flattened inputs of each region the widest, `(K, B)` in the inputs' order: as many as vary by more than a
    float32 is rounded, or next to nothing else, in the region where these are the most, up to `most`."""
    radius = flat(box.radius, 1)
    share = (radius / flat(box.magnitude, 1)).nan_to_num(0.0, 0.0, 0.0)
    enough = (HARDLY * share.amax(1, keepdim=True)).clamp(max=SINGLE)
    count = min(most, int((share > enough).sum(1).max()))
    return radius.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values.T


def spread(radius: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The generators `(K, B, n)` of these symbols, and the radius `(B, n)` of all other inputs."""
    own = radius.gather(1, index.T)
    generators = radius.new_zeros(len(index), *radius.shape).scatter(2, index.unsqueeze(2), own.T.unsqueeze(2))
    return generators, radius.scatter(1, index.T, 0.0)
