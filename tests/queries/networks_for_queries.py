"""Small ONNX files to ask queries about, and the queries' declarations."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def dense(path, seed=0, inputs=2, hidden=4, outputs=2, kind=TensorProto.FLOAT):
    """Gemm, Relu, Gemm with small random quarters as weights; the tensor behind the Relu is called `relu`."""
    random = np.random.default_rng(seed)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    sizes = {"w1": (hidden, inputs), "b1": (hidden,), "w2": (outputs, hidden), "b2": (outputs,)}
    weights = {name: (random.integers(-6, 7, size) / 4).astype(dtype) for name, size in sizes.items()}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["before"], transB=1),
            helper.make_node("Relu", ["before"], ["relu"]),
            helper.make_node("Gemm", ["relu", "w2", "b2"], ["y"], transB=1),
        ],
        "dense",
        [helper.make_tensor_value_info("x", kind, [1, inputs])],
        [helper.make_tensor_value_info("y", kind, [1, outputs])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return save(graph, path)


def two_by_two(path):
    """Inputs a, b of two entries each (b's first axis is open); outputs their sum and difference."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        "two",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 2]),
        ],
        [
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("difference", TensorProto.FLOAT, [1, 2]),
        ],
    )
    return save(graph, path)


def save(graph, path):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def asked(*assertions, networks=None, dtype="real"):
    """A 2.0 query of one dense network N, X to Y, unless `networks` says otherwise."""
    networks = networks or network(dtype=dtype)
    return "(vnnlib-version <2.0>)\n" + networks + "\n".join(f"(assert {a})" for a in assertions)


def network(name="N", relation="", x="X", y="Y", hidden="", dtype="real", inputs=2, outputs=2):
    middle = f'(declare-hidden {hidden} {dtype} [1,4] "relu")' if hidden else ""
    return (
        f"(declare-network {name} {relation} (declare-input {x} {dtype} [1,{inputs}]) {middle} "
        f"(declare-output {y} {dtype} [1,{outputs}]))\n"
    )


def boxed(low=-1.0, high=1.0, x="X"):
    """The bounds of both inputs."""
    return [f"(>= {x}[0,{i}] {low})" for i in (0, 1)] + [f"(<= {x}[0,{i}] {high})" for i in (0, 1)]
