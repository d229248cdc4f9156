"""A network as a query declares it: do the file's inputs, outputs and inner tensors fit, by place, shape and type?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from verifier.errors import InputError
from verifier.formats.onnx.load import Wanted, keep_only, load_tensors
from verifier.formats.onnx.structure import initializer_names
from verifier.formats.onnx.values import Tensorial, type_name
from verifier.formats.vnnlib.query import Network, Variable
from verifier.model import Model

TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE} | {
    name: getattr(TensorProto, name.upper())
    for name in ("float16", "bfloat16", "bool", *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)))
}
NAMES = {code: name for name, code in TYPES.items()}


@dataclass(frozen=True, eq=False)
class Loaded:
    """`places`: where in the model's flattened output each wanted variable begins. `types`: the file's own type of each
    input variable."""

    model: Model
    places: Mapping[str, int]
    types: Mapping[str, str]


def load_network(path: str | Path, network: Network, wanted: Sequence[str], flat: bool = False) -> Loaded:
    """The file that `network` stands for; the model's output is the tensor of the only variable of `wanted`, or those
    of several, flat, one behind the other.

    `flat` (dialect 1.0): the variables are all the entries of the file's inputs, and of its first or all its outputs.

    Raises:
        InputError: a variable does not fit the file; names both.
    """

    places: dict[str, int] = {}
    types: dict[str, str] = {}

    def choose(model: ModelProto) -> Wanted:
        fit = _Fit(model, network, Path(path).name)
        codes = [info.type.tensor_type.elem_type for info in inputs_of(model, len(network.inputs))]
        variables = network.inputs * len(codes) if flat else network.inputs
        types.update((v.name, NAMES.get(code, "")) for v, code in zip(variables, codes, strict=False))
        return fit.flat() if flat else fit.declared(wanted, places)

    model = load_tensors(path, choose)
    if flat:
        _check_flat(model, network, Path(path).name)
        places[network.outputs[0].name] = 0
    return Loaded(model, places, types)


class _Fit:
    """A declared network beside a file's model."""

    def __init__(self, model: ModelProto, network: Network, file: str) -> None:
        self.model, self.network, self.file = model, network, file

    def declared(self, wanted: Sequence[str], places: dict[str, int]) -> Wanted:
        """Match by place, hidden tensors by name; adopt the declared shapes. `places` is filled when they are known."""
        inputs = inputs_of(self.model, len(self.network.inputs))
        outputs = list(self.model.graph.output)
        self._count("input", self.network.inputs, inputs)
        self._count("output", self.network.outputs, outputs)
        pairs = [*zip(self.network.inputs, inputs, strict=True), *zip(self.network.outputs, outputs, strict=True)]
        for variable, info in (*pairs, *self._unseen(wanted)):
            self._fits(variable, info)
        tensors = {v.name: info.name for v, info in pairs} | {v.name: self._hidden(v) for v in self.network.hidden}
        names = tuple(dict.fromkeys(tensors[name] for name in wanted)) or (outputs[0].name,)
        shapes = {info.name: v.shape for v, info in zip(self.network.inputs, inputs, strict=True)}
        variables = [v for v in (*self.network.hidden, *self.network.outputs) if v.name in wanted]

        def check(found: Mapping[str, Tensorial]) -> None:
            for v in variables:
                value = found[tensors[v.name]]
                self._same(v, tensors[v.name], value.shape, value.type)
            first = 0
            for name, value in found.items():
                places.update((v.name, first) for v in variables if tensors[v.name] == name)
                first += math.prod(value.shape)

        return Wanted(names, shapes, check=check, anyway=True)

    def flat(self) -> Wanted:
        """Dialect 1.0: only the numbers of entries count."""
        inputs, outputs = inputs_of(self.model, len(self.network.inputs)), list(self.model.graph.output)
        asked = math.prod(self.network.inputs[0].shape)
        shapes = _sizes(inputs, asked)
        sizes = [math.prod(_dims(info, 1)) for info in outputs]
        several = len(outputs) > 1 and sizes[0] != math.prod(self.network.outputs[0].shape) == sum(sizes)
        chosen = outputs if several else outputs[:1]
        return Wanted(tuple(info.name for info in chosen), shapes, anyway=True)

    def _hidden(self, variable: Variable) -> str:
        produced = [name for node in self.model.graph.node for name in node.output if name]
        if variable.onnx_name not in produced:
            some = ", ".join(produced[:8]) + (", ..." if len(produced) > 8 else "")
            raise self._error(variable, f"no node of the model gives {variable.onnx_name!r}; its nodes give {some}")
        return variable.onnx_name

    def _unseen(self, wanted: Sequence[str]) -> list[tuple[Variable, ValueInfoProto]]:
        """Hidden variables that nothing compares: no graph is made of them, so that ONNX's own inference must do."""
        unseen = [v for v in self.network.hidden if v.name not in wanted]
        if not unseen:
            return []
        inferred = onnx.shape_inference.infer_shapes(self.model).graph
        infos = {info.name: info for info in (*inferred.value_info, *inferred.output)}
        return [(v, infos[v.onnx_name]) for v in unseen if v.onnx_name in infos]

    def _count(self, kind: str, variables: Sequence[Variable], infos: Sequence[ValueInfoProto]) -> None:
        if len(variables) != len(infos):
            names = ", ".join(info.name for info in infos)
            raise InputError(
                f"network {self.network.name} declares {len(variables)} {kind}s, but {self.file} has {len(infos)} "
                f"({names}); all of them are declared, in the model's order"
            )

    def _fits(self, variable: Variable, info: ValueInfoProto) -> None:
        """Against what the file declares, as far as it does; open sizes take any."""
        tensor = info.type.tensor_type
        if tensor.HasField("shape"):
            dims = _dims(info, None)
            if len(dims) != len(variable.shape) or any(
                d is not None and d != n for d, n in zip(dims, variable.shape, strict=True)
            ):
                text = ", ".join("?" if d is None else str(d) for d in dims)
                raise self._error(variable, f"has shape [{text}] as {info.name!r} in the model")
        if tensor.elem_type:
            self._same(variable, info.name, variable.shape, tensor.elem_type)

    def _same(self, variable: Variable, name: str, shape: tuple[int, ...], code: int) -> None:
        if tuple(shape) != variable.shape:
            raise self._error(variable, f"has shape {list(shape)} as {name!r} in the model")
        if variable.dtype != "real" and TYPES.get(variable.dtype) != code:
            raise self._error(variable, f"has type {NAMES.get(code, type_name(code))} as {name!r} in the model")

    def _error(self, variable: Variable, what: str) -> InputError:
        shape = ", ".join(map(str, variable.shape))
        return InputError(
            f"network {self.network.name} ({self.file}): {variable.kind} {variable.name}, declared {variable.dtype} "
            f"[{shape}], {what}"
        )


def inputs_of(model: ModelProto, asked: int) -> list[ValueInfoProto]:
    """With as many variables as there are inputs, those with an initializer are inputs as well: it is dropped."""
    graph = model.graph
    known = set(initializer_names(graph))
    if any(info.name in known for info in graph.input) and len(graph.input) == asked:
        taken = {info.name for info in graph.input}
        keep_only(graph.initializer, lambda tensor: tensor.name not in taken)
        return list(graph.input)
    return [info for info in graph.input if info.name not in known]


def _dims(info: ValueInfoProto, default: int | None) -> tuple:
    """Sizes of the axes, open ones as `default`."""
    dims = info.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else default for d in dims)


def _sizes(inputs: Sequence[ValueInfoProto], asked: int) -> dict[str, tuple[int, ...]]:
    """Sizes for an open axis of the only input where taking it as one gives other entries than the query has."""
    if len(inputs) != 1 or math.prod(_dims(inputs[0], 1)) == asked:
        return {}
    dims = _dims(inputs[0], None)
    rest = math.prod(d for d in dims if d is not None)
    if dims.count(None) < 1 or asked % rest:
        return {}
    last = len(dims) - 1 - dims[::-1].index(None)
    return {inputs[0].name: tuple(asked // rest if i == last else d or 1 for i, d in enumerate(dims))}


def _check_flat(model: Model, network: Network, file: str) -> None:
    graph = model.graph
    for variable, shape in ((network.inputs[0], graph.input.shape), (network.outputs[0], graph.output_shape)):
        if math.prod(variable.shape) != math.prod(shape):
            raise InputError(
                f"the property declares {math.prod(variable.shape)} {variable.kind}s {variable.name}_0 ..., but "
                f"{file} has {math.prod(shape)} (shape {list(shape)})"
            )
