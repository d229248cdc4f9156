"""Products of bands to second order: products of two symbols are symbols of their own.

With `x = a_0 + sum(a_j e_j)` and `y` alike, `x y` is linear in the `e_j` but for `sum(a_j b_k e_j e_k)`. Every node
that has such terms has the same `e_j e_k` in [-1, 1], and `1/2 + 1/2 s_j` for a square, so sums of products cancel as
they do in polynomial zonotopes (Althoff 2013); McCormick's planes take each product on its own.
"""

import torch
from torch import Tensor

from verifier.bounding.band import DEEP, Band
from verifier.numerics import SAFETY, gamma, padded, total


def multiplied(first: Band, second: Band, count: int, lost: Tensor | None) -> Band:
    """The product of two bands over `count` symbols and their products. Where rounding counts, `lost (B, *)` is what
    the product itself can lose."""
    j, k = torch.triu_indices(count, count)
    a, b = (padded(band.middle, 1 + count + len(j)) for band in (first, second))
    middle = a[0] * b + b[0] * a
    middle[0] /= 2
    straight, other = a[1 : 1 + count], b[1 : 1 + count]
    square = straight[j] * other[k]
    same = (j == k).reshape(-1, *(1,) * (square.dim() - 1))
    square = torch.where(same, square / 2, square + straight[k] * other[j])
    middle[0] += torch.where(same, square, 0.0).sum(0)
    middle[1 + count :] += square
    size = (first.size + first.remainder) * (second.size + second.remainder) * SAFETY
    unknown = _unknown(first, second, a, b, count)
    if lost is not None:
        unknown = unknown + lost + gamma(2 * len(middle) + 16, size.dtype) * size
    return Band(middle, None, unknown * SAFETY, size, DEEP)


def _unknown(first: Band, second: Band, a: Tensor, b: Tensor, count: int) -> Tensor:
    """What gaps and remainders add, and the products that are not of two symbols."""
    (straight, bent), (other, curved) = ((total(x[1 : 1 + count]), total(x[1 + count :])) for x in (a, b))
    x, y = a[0].abs() + straight + bent, b[0].abs() + other + curved
    blurred = x * second.blur + y * first.blur + first.blur * second.blur
    return blurred + bent * (other + curved) + straight * curved


def leaning(form: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """A linear function below a form `(1 + K + M, *)`, with all that is known of products: its constant `(*)` and its
    slopes `(K, *)`.

    Say `h_j = +-e_j` is 1 where the linear part is least. Then `|q| h_j h_k` is above `|q| (h_j + h_k - 1)`, which is
    better than `-|q|` there, by as much as slopes become flatter. None goes beyond zero, where the other end would
    become the least.
    """
    j, k = torch.triu_indices(count, count)
    straight, products = form[1 : 1 + count], form[1 + count :]
    side = -straight.sign()
    own = j == k
    squares, mixed = 2 * products[own].clamp(min=0), (products[~own] * side[j[~own]] * side[k[~own]]).clamp(min=0)
    rise = torch.zeros_like(straight).index_add(0, j[~own], mixed).index_add(0, k[~own], mixed) + 2 * squares
    share = (straight.abs() / rise).nan_to_num(1.0).clamp(max=1.0)
    mixed = mixed * torch.minimum(share[j[~own]], share[k[~own]])
    rise = torch.zeros_like(straight).index_add(0, j[~own], mixed).index_add(0, k[~own], mixed)
    slope = straight + side * (rise + 2 * share * squares)
    return form[0] - total(products) - (share.square() * squares).sum(0), slope
