"""The same question has the same answer, however it is cut into pieces (catalogue 14)."""

from dataclasses import replace

import torch
from torch import Tensor

from laws.cases import Case
from laws.comparison import bound, rows
from laws.containment import reach
from verifier.bounding.coefficient import Coefficient, Unit
from verifier.bounding.methods import Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds
from verifier.bounding.state import State
from verifier.bounding.windows import Windows
from verifier.numerics import flat

SAME = {torch.float32: 1e-5, torch.float64: 1e-10}  # relative to the largest value: sums in another order


def slack(case: Case, bounds: Bounds, options: Options) -> Tensor:
    return SAME[options.dtype] * reach(bounds) * (1 + flat(case.specification.rows.abs(), 2).sum(2))


def law_chunks(case: Case, method: Method, options: Options, budget: int) -> None:
    """Any budget of memory gives the same rows."""
    whole, pieces = bound(case, method, options), rows(case, method, replace(options, bytes=budget))
    assert whole.rows is not None
    assert bool(((whole.rows - pieces).abs() <= slack(case, whole, options)).all()), f"{method.name}: chunks differ"


def law_batch(case: Case, method: Method, options: Options) -> None:
    """Questions in one batch do not touch each other: any selection, in any order, has the same rows."""
    whole = bound(case, method, options)
    assert whole.rows is not None
    allowed = slack(case, whole, options)
    order = torch.arange(case.region.batch).flip(0)
    for index in (order, *order.split(1)):
        alone = rows(case.select(index), method, options)
        close = (whole.rows[:, index] - alone).abs() <= allowed[:, index]
        assert bool(close.all()), f"{method.name}: the answer depends on the rest of the batch"


def law_windows(case: Case) -> None:
    """Rows carried as windows have the bounds of rows carried whole, from every feature map, for both sides."""
    state = State(case.graph, case.region.to(torch.float64, "cpu"), False)
    for node in case.graph.nodes:
        state.enter(node)
    for node in case.graph.nodes:
        shape = torch.Size(node.shape)
        if len(shape) != 4 or shape[0] != 1:
            continue
        index = torch.arange(shape.numel()).unsqueeze(1).expand(-1, case.region.batch)
        index = (index + 7 * torch.arange(case.region.batch)) % shape.numel()  # inputs start at different entries
        starts: list[Coefficient] = [
            Windows.units(index, shape, case.region.box().lower),
            Unit(index, shape, case.region.box().lower),
        ]
        small, whole = (state.backward().bound(node.name, start, both=True) for start in starts)
        size = 1 + state.table[node.name].magnitude.max() + whole.abs().max()
        assert bool(((small - whole).abs() <= 1e-10 * size).all()), f"windows from {node.name} differ"
