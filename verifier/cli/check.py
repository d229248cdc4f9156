"""`verify check FILE model.onnx`: is a certificate a proof?"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from verifier.cli.files import is_file, the_only
from verifier.cli.process import prepare
from verifier.cli.streams import say
from verifier.errors import Rejected
from verifier.numerics import flat

if TYPE_CHECKING:
    import numpy as np

    from verifier.certificates.check import Accepted
    from verifier.graph.graph import Graph
    from verifier.problem import Problem

DESCRIPTION = """\
Prove again what a certificate says, with code of its own: float64 rounded outwards, or fractions.

exit codes: 0 accepted; 1 rejected, with the reason; 2 the files or the arguments are wrong."""
Key = tuple[object, ...]


def check(argv: Sequence[str]) -> int:
    """Run the subcommand; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="verify check", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("certificate", help="a file that `verify ... --certificate FILE` wrote")
    add("model", help="the network's file, the same as then")
    add("--property", metavar="FILE", help="a .vnnlib file: are all of its questions proved?")
    add("--exact", action="store_true", help="in fractions instead of float64; for small piecewise-linear networks")
    add("--aptp", metavar="OUT", help="also write the proof's tree of ReLU splits as VNN-LIB text")
    args = parser.parse_args(argv)
    for path in filter(None, (args.certificate, args.model, args.property)):
        is_file(path)
    prepare()
    start = time.monotonic()
    try:
        accepted = _accepted(args)
    except Rejected as error:
        say(f"rejected: {error}", sys.stdout)
        return 1
    say(f"accepted after {time.monotonic() - start:.2f} s: {_summary(accepted)}", sys.stdout)
    if args.aptp is not None:
        from verifier.certificates.aptp import write

        write(args.aptp, args.certificate, accepted)
    return 0


def _accepted(args: argparse.Namespace) -> "list[Accepted]":
    from verifier.certificates.check import check

    problems = _problems(args) if args.property is not None else []
    graph = problems[0].model.graph if problems else _graph(args.model)
    accepted = list(check(args.certificate, args.model, graph, args.exact))
    if args.property is not None:
        _covers(accepted, problems)
    elif not accepted:
        raise Rejected(f"{args.certificate} holds no proof")
    return accepted


def _graph(model: str) -> "Graph":
    from verifier.api import load

    return load(model).graph


def _problems(args: argparse.Namespace) -> "list[Problem]":
    """What the property asks, read again."""
    from verifier.formats.vnnlib.reader import read
    from verifier.problem import without_softmax
    from verifier.queries.question import questions

    query = read(args.property)
    batches = questions(query, the_only(query, args.model)).batches
    if any(batch.real for batch in batches):
        raise Rejected("an input of the property has no bounds, so nothing can be proved of it")
    found = [batch.problem for batch in batches]
    if any(p.model.graph.nodes != found[0].model.graph.nodes for p in found):
        raise Rejected("the property asks about different parts of the network; that can't be checked together")
    return [without_softmax(problem) for problem in found]


def _covers(accepted: "list[Accepted]", problems: "list[Problem]") -> None:
    """Raise `Rejected` where a question of the property is none that was proved."""
    proved = set()
    for one in accepted:
        q = one.question
        form = (q.graph.output, tuple(q.clause.tolist()), tuple(q.closed.tolist()))
        for i in range(len(q.lower)):
            proved.add((*form, *_bytes(q.lower[i], q.upper[i], q.rows[:, i], q.offset[:, i])))
    for problem in problems:
        box, spec = problem.region.box(), problem.specification
        form = (problem.model.graph.output, spec.clause, spec.closed)
        rows, offset = flat(spec.rows, 2).numpy(), spec.offset.numpy()
        lower, upper = flat(box.lower, 1).numpy(), flat(box.upper, 1).numpy()
        for i in range(problem.batch):
            if (*form, *_bytes(lower[i], upper[i], rows[:, i], offset[:, i])) not in proved:
                raise Rejected(f"the property's question {i} of {problem.batch} is not among those that are proved")


def _bytes(*arrays: "np.ndarray") -> Key:
    return tuple((array.shape, (array.astype(float) + 0.0).tobytes()) for array in arrays)


def _summary(accepted: "list[Accepted]") -> str:
    names = {"bounds": "by bounds", "activations": "by cutting activations", "inputs": "by cutting inputs"}
    parts = []
    for kind, how in names.items():
        mine = [one for one in accepted if one.kind == kind]
        count = sum(len(one.question.lower) for one in mine)
        leaves = sum(one.leaves for one in mine)
        parts += [f"{count} {how}" + (f" ({leaves:,} leaves)" if leaves else "")] if mine else []
    total = sum(len(one.question.lower) for one in accepted)
    return f"{total} question{'s' * (total != 1)} proved, " + (", ".join(parts) or "there is nothing to prove")
