"""All operators that the door knows, and those that it evaluates on constants."""

from verifier.formats.torch.ops.activation import ACTIVATION
from verifier.formats.torch.ops.arithmetic import ARITHMETIC
from verifier.formats.torch.ops.conv import CONV
from verifier.formats.torch.ops.dense import DENSE
from verifier.formats.torch.ops.normal import NORMAL
from verifier.formats.torch.ops.plain import PLAIN
from verifier.formats.torch.ops.pool import POOL
from verifier.formats.torch.ops.resize import RESIZE
from verifier.formats.torch.ops.shape import SHAPE
from verifier.formats.torch.site import Lowering

TABLE: dict[str, Lowering] = {
    **PLAIN,
    **SHAPE,
    **DENSE,
    **CONV,
    **POOL,
    **RESIZE,
    **ARITHMETIC,
    **ACTIVATION,
    **NORMAL,
}
"""`name.overload` of an ATen operator to its translation."""

CONSTANT_ONLY = frozenset(
    [
        "arange.default",
        "arange.start",
        "arange.start_step",
        "zeros.default",
        "ones.default",
        "full.default",
        "eye.default",
        "eye.m",
        "linspace.default",
        "scalar_tensor.default",
        "meshgrid.indexing",
        "one_hot.default",
        "embedding.default",
        "_weight_norm.default",
        "_weight_norm_interface.default",
        "linalg_vector_norm.default",
        "linalg_matrix_norm.default",
        "norm.ScalarOpt_dim",
        "norm.Scalar",
        "frobenius_norm.dim",
        "vdot.default",
        "matrix_exp.default",
        "linalg_inv.default",
        "linalg_solve.default",
        "prod.default",
        "cumprod.default",
        "var.correction",
        "std.correction",
        "sort.default",
        "argsort.default",
        "argmax.default",
        "logical_or.default",
        "bitwise_or.Tensor",
        "floor_divide.default",
        "floor_divide.Scalar",
        "remainder.Scalar",
        "div.Scalar_mode",
        "isinf.default",
    ]
)
"""Operators without randomness and side effects that may stand between constants."""

FOLDABLE = CONSTANT_ONLY | frozenset(TABLE)

TRUTHFUL = frozenset(
    [
        "any.default",
        "any.dim",
        "any.dims",
        "where.self",
        "where.ScalarOther",
        "where.ScalarSelf",
        "where.Scalar",
        "logical_not.default",
        "bitwise_not.default",
        "logical_and.default",
        "bitwise_and.Tensor",
        "mul.Tensor",
        "masked_fill.Scalar",
        "masked_fill.Tensor",
        "to.dtype",
        "to.dtype_layout",
        "_to_copy.default",
        "sym_size.int",
    ]
) | frozenset(SHAPE)
"""Operators that may meet a tensor of truth values that depends on the input; elsewhere `+` would mean `or`."""
