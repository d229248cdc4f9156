"""What Python users call: load a network, say where, say what, get a verdict or bounds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from verifier.batch import Answer, Settings, run
from verifier.bounding.methods import MEMORY, AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds, propagate
from verifier.complete.record import Recorder
from verifier.errors import InputError, InvalidModel
from verifier.formats.selfcheck import check_against
from verifier.model import Model
from verifier.plan import Plan, plan
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.properties.expression import Formula
from verifier.properties.variables import INPUT, OUTPUT, Variables
from verifier.regions import Region, trial_points
from verifier.verdict import Verdict

if TYPE_CHECKING:
    from torch.nn import Module

PICKLED = (
    "PyTorch files of this kind are pickled, and reading one can run any code. Export the network instead: "
    "torch.export.save(torch.export.export(module.eval(), (example,)), 'model.pt2')"
)
KERAS = "TensorFlow and Keras models are read as ONNX; tf2onnx converts them"
HINTS = {".pt": PICKLED, ".pth": PICKLED, ".ckpt": PICKLED, ".bin": PICKLED}  # on files that were given by mistake
HINTS |= {".h5": KERAS, ".keras": KERAS, ".pb": KERAS, ".tflite": KERAS}
CHECKED = 4  # points on which the graph is compared with the model's own engine

METHODS: dict[str, Method] = {
    "interval": Ibp(),
    "crown-ibp": Crown(intermediate=False),
    "crown": Crown(),
    "alpha-crown": AlphaCrown(),
    "zonotope": Zonotope(),
}


def load(source: "str | Path | Module", example: Tensor | None = None) -> Model:
    """A network from an `.onnx`, `.onnx.gz` or `.pt2` file, or a PyTorch module with an example of its input.

    Raises:
        UnsupportedModel: lists every operator that is in the way.
        InvalidModel: the file is broken.
        InputError: the file is not there, or a module came without an example.
    """
    if not isinstance(source, str | Path):
        from verifier.formats.torch import load_module

        if example is None:
            raise InputError("a PyTorch module needs an example of its input: load(module, example)")
        return load_module(source, example)
    if Path(source).is_dir():
        raise InputError(f"{source} is a directory; an .onnx, .onnx.gz or .pt2 file is needed")
    if not Path(source).is_file():
        raise InputError(f"{source}: there is no such file")
    if str(source).endswith(".pt2"):
        from verifier.formats.torch import load_pt2

        return load_pt2(source)
    from verifier.formats.onnx import load_onnx

    try:
        return load_onnx(source)
    except InvalidModel as error:
        if hint := HINTS.get(Path(source).suffix.lower()):
            raise InvalidModel(f"{error}. {hint}") from error
        raise


def outputs(model: Model) -> Variables:
    """The model's outputs to write properties with: `y = outputs(model); (y[3] > y[5]) & (y[3] > 0)`."""
    return Variables(OUTPUT, model.graph.output_shape)


def inputs(model: Model) -> Variables:
    """The model's inputs, for properties that relate outputs to them."""
    return Variables(INPUT, model.graph.input.shape)


def verify(model: Model, region: Region, specification: Specification | Formula, **settings: object) -> Verdict:
    """Answer one question: does the property hold everywhere in the region?

    Args:
        model: from `load`.
        region: one region (`B` = 1).
        specification: what must hold there: a formula over `outputs(model)` and `inputs(model)`, `robust(...)`, or a
            `Specification`.
        **settings: as for `verify_each`.

    Raises:
        InputError: shapes do not fit, or the region holds more than one question.
    """
    if region.batch != 1:
        raise InputError(f"verify answers one question, the region holds {region.batch}; use verify_each")
    return next(verify_each(model, region, specification, **settings)).verdict  # type: ignore[arg-type]


def verify_each(
    model: Model,
    region: Region,
    specification: Specification | Formula,
    *,
    method: Plan = "auto",
    timeout: float = 60.0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    memory: int = MEMORY,
    note: Callable[[str], None] = lambda _: None,
    check: bool = True,
    record: Recorder | None = None,
) -> Iterator[Answer]:
    """Answer `B` questions, in the order in which they are decided.

    Args:
        model, region, specification: as for `verify`; their batch axes belong together.
        method: a name that `--method` takes, or stages with their own parameters that run in turn, as
            `(Pgd(steps=50), Bab(batch=64))`.
        timeout: seconds of work for one input.
        device, dtype: where and in what to search; proofs are always float64 on the CPU.
        seed: of the attack.
        memory: bytes that coefficients may take.
        note: hears what is being worked on, for progress.
        check: first compare the graph with the model's own engine on a few points of the regions. Only who has done
            so already should leave it out.
        record: keeps what is proved, for a certificate: `record.save(path, model_file)`.
    """
    settings = Settings(plan(method), timeout, device, dtype, seed, memory, record=record)
    if isinstance(specification, Formula):
        from verifier.queries.formula import specified

        model, specification = specified(model, specification, region.batch)
    problem = Problem(model, shaped(region, model), specification)
    if check:
        compare(model, problem.region, seed)
    yield from run(problem, settings, note)


def bounds(
    model: Model,
    region: Region,
    specification: Specification | None = None,
    *,
    method: str | Method = "crown",
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    memory: int = MEMORY,
    proof: bool = False,
) -> Bounds:
    """Lower and upper bounds of every layer over the region, and lower bounds of the specification's rows.

    Args:
        method: a name (`interval`, `crown-ibp`, `crown`, `alpha-crown`, `zonotope`) or a method with its parameters.
        proof: compute in float64 and widen by everything that rounding could have done.

    Returns:
        `table`: an `Interval (B, *)` for each node of `model.graph`; `rows (S, B)`.
    """
    chosen = METHODS.get(method) if isinstance(method, str) else method
    if chosen is None:
        raise InputError(f"no bound is called {method!r}; there are {', '.join(METHODS)}")
    return propagate(model.graph, shaped(region, model), chosen, specification, Options(dtype, device, memory, proof))


def shaped(region: Region, model: Model) -> Region:
    """The region with the file's own axes of size 1: images `(B, 28, 28)` for an input `(1, 1, 28, 28)`."""
    shape = model.graph.input.shape
    same = [n for n in region.shape if n != 1] == [n for n in shape if n != 1]
    return region.reshape(shape) if same and region.shape != shape else region


def compare(model: Model, region: Region, seed: int = 0) -> None:
    """Raise `InvalidModel` where the graph and the model's own engine differ on points of the first regions."""
    check_against(model, trial_points(shaped(region, model), CHECKED, seed).numpy())
