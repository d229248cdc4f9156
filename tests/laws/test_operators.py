"""The contract of affine ops, op by op."""

from collections.abc import Callable

import pytest

from laws.operators import (
    Shapes,
    law_abs,
    law_batch_axis,
    law_diagonal,
    law_linear,
    law_short_cuts,
    law_terms,
    law_transport,
    operators,
)
from verifier.graph.op import Affine

LAWS = [law_abs, law_batch_axis, law_diagonal, law_linear, law_short_cuts, law_terms, law_transport]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("place", range(len(operators(0))))
def test_affine_ops(law: Callable[[Affine, Shapes], None], place: int) -> None:
    for seed in range(3):
        law(*operators(seed)[place])


def test_every_affine_op_is_among_them() -> None:
    """A new op is a new row in `operators`."""
    listed = {type(op) for op, _ in operators(0)}
    known = {c for c in Affine.__subclasses__() if c.__module__.startswith("verifier.graph.ops")}
    assert known <= listed, f"no laws for {sorted(c.__name__ for c in known - listed)}"
