"""`load_pt2`: a program that `torch.export.save` has written becomes a `Model`. Nothing of the file is executed."""

import os
from functools import partial

from verifier.errors import InvalidModel, UnsupportedModel, VerifierError
from verifier.formats.torch import aten
from verifier.formats.torch.archive import open_archive
from verifier.formats.torch.evaluator import RowByRow
from verifier.formats.torch.interpret import interpret, rehearse
from verifier.formats.torch.ops.table import FOLDABLE
from verifier.formats.torch.program import Program
from verifier.formats.torch.serialized import read_program
from verifier.formats.torch.translate import IGNORED, report, translate
from verifier.graph.graph import Graph
from verifier.model import Model


def load_pt2(path: str | os.PathLike[str]) -> Model:
    """The program in a `.pt2` file, with the input shape that it was exported for."""
    archive = open_archive(path)
    try:
        program, dtype = read_program(archive)
    except VerifierError:
        raise
    except Exception as error:  # whatever a malformed file can make of reading it
        raise InvalidModel(f"{archive.path.name} is broken: {type(error).__name__}: {error}") from error
    refuse_unknown(program, archive.path.name)
    rehearse(program, dtype)
    graph = translated(program, archive.path.name)
    evaluator = RowByRow(partial(interpret, program), program.shape, dtype, "its ATen operators")
    return Model(graph, evaluator, str(path), program.notes)


def translated(program: Program, source: str) -> Graph:
    """The graph; a call that PyTorch would refuse as well is the file's fault."""
    try:
        return translate(program, source)
    except (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError, KeyError) as error:
        raise InvalidModel(f"{source} is broken: {error}") from error


def refuse_unknown(program: Program, source: str) -> None:
    """Before anything is run: every operator must be one of ours."""
    known = FOLDABLE | frozenset(aten.PYTHON)
    unknown = [c for c in program.calls if aten.functional(c.target) not in known and not IGNORED.fullmatch(c.target)]
    if unknown:
        raise UnsupportedModel(report([(call, "not supported") for call in unknown], source))
