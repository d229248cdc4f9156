"""What `verifier-vnnlib supports` tells: bare identifiers, one a line, and nothing is imported to say it.

Operators are those of the loader's table that can be bounded, where their conditions hold; networks with others can
still be attacked, so that the answer is `sat` or `unknown`.
"""

OPERATORS = """
Abs Acos Add And ArgMax ArgMin Asin Asinh Atan AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Compress
Concat ConcatFromSequence Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear
Div Dropout Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm
GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity
InstanceNormalization LSTM LayerNormalization LeakyRelu Less LessOrEqual Log MatMul Max MaxPool Mean
MeanVarianceNormalization Min Mish Mul Neg Not Or PRelu Pad Pow QuantizeLinear RMSNormalization RNN Reciprocal
ReduceL1 ReduceL2 ReduceLogSum ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Resize
ReverseSequence Round Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty
SequenceErase SequenceInsert SequenceLength Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
SpaceToDepth Split SplitToSequence Sqrt Squeeze Sub Sum Swish Tanh Tile Transpose Trilu Unsqueeze Upsample Where Xor
"""
LISTS = {
    "onnx-opset-versions": ("7", "24"),
    "onnx-element-types": ("float32", "float64", "real"),
    "onnx-operators": tuple(OPERATORS.split()),
    "vnnlib-versions": ("1.0", "2.0"),
    "hidden-node-theories": ("NH", "H"),
    "multiple-input-output-theories": ("SIO", "MIO"),
    "multiple-network-theories": ("SNET", "MENET", "MINET", "MNET"),
    "multiple-node-comparison-theories": ("SNC", "MNC"),
    "arithmetic-complexity-theories": ("BND", "OUTC", "LIN", "POLY"),
    "optimised-disjunctive-reasoning": ("true",),
    "serialise-assignments": ("true",),
}
ALIASES = {"multiple-inputs-output-theories": "multiple-input-output-theories"}


def supported(what: str) -> str | None:
    """The lines of one capability; None where there is none of that name."""
    name = what.removeprefix("--")
    lines = LISTS.get(ALIASES.get(name, name))
    return None if lines is None else "\n".join(lines) + "\n"
