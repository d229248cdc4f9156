"""A question whose inputs vary only through staircases, asked of whole numbers.

Where Trunc, Floor, Ceil or Round is all that reads an input, the network depends on the whole number behind it: such a
node becomes the identity, and the region the whole numbers that it can give. They can be cut between two neighbours,
with no jump inside of either part, so that cutting ends.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.activation import Ceil, Floor, Round, Trunc
from verifier.graph.ops.dense import Constant
from verifier.graph.ops.place import Square
from verifier.graph.ops.shape import Pad, Reshape
from verifier.problem import Problem
from verifier.regions import Box, box

STAIRCASES = (Trunc, Floor, Ceil, Round)


@dataclass(frozen=True, eq=False)
class Stepped:
    """`problem` is about inputs that are whole numbers at `index (k,)`, counted in the flattened input, and vary by
    rounding at most elsewhere. Each stands for an input of the original region: the nearest."""

    problem: Problem
    index: Tensor


def stepped(problem: Problem) -> Stepped | None:
    """The same question of whole numbers; None where an input that varies has other readers, or for several questions.

    A staircase `f` is monotone and keeps whole numbers, so for `k = f(x)` the point of `[lower, upper]` nearest to `k`
    has the value `k`, too.
    """
    if problem.batch != 1 or not isinstance(problem.region, Box):
        return None
    graph, interval = problem.model.graph, problem.region.box()
    nodes = _steps(graph)
    if not nodes:
        return None
    whole = torch.stack([_entries(graph, node) for node in nodes]).any(0)
    varies = interval.varies.flatten()
    if bool((varies & ~whole).any()) or not bool(varies.any()):
        return None
    step, mask = nodes[0].op, whole.reshape(interval.lower.shape)
    ends = [torch.where(mask, step.forward(end), end) for end in (interval.lower, interval.upper)]
    names = {node.name for node in nodes}
    straight = tuple(replace(n, op=Reshape(n.shape)) if n.name in names else n for n in graph.nodes)
    model = replace(problem.model, graph=replace(graph, nodes=straight))
    return Stepped(Problem(model, box(*ends), problem.specification), varies.nonzero().flatten())


def _steps(graph: Graph) -> list[Node]:
    """Staircases of one kind that read entries of the input which nothing else reads."""
    moved, found = {graph.input.name}, list[Node]()
    for node in graph.nodes:
        if not node.inputs or not moved.issuperset(node.inputs):
            continue
        if isinstance(node.op, Affine) and node.op.moves and not isinstance(node.op, Pad):
            moved.add(node.name)
        elif isinstance(node.op, STAIRCASES) and (not found or type(node.op) is type(found[0].op)):
            found.append(node)
    while found:
        names = {node.name for node in found}
        blank = {n.name: Node(n.name, Constant(torch.zeros(n.shape)), (), n.shape) for n in found}
        other = read(replace(graph, nodes=tuple(blank.get(n.name, n) for n in graph.nodes)), graph.output)
        kept = [node for node in found if not bool((_entries(graph, node) & other).any())]
        if len(kept) == len(names):
            break
        found = kept
    return found


def _entries(graph: Graph, step: Node) -> Tensor:
    """The input's entries that a staircase reads: `(n,)`."""
    return read(graph, step.inputs[0])


def read(graph: Graph, name: str) -> Tensor:
    """The input's entries that node `name` may depend on, `(n,)`: affine ops tell, of others every entry counts."""
    reach = {name: torch.ones((1, *graph.by_name[name].shape), dtype=torch.float64)}
    for node in reversed(graph.until(name).nodes):
        mine = reach.get(node.name)
        if mine is None or isinstance(node.op, Input):
            continue
        shapes = [torch.Size(graph.by_name[arg].shape) for arg in node.inputs]
        if isinstance(node.op, Affine):
            parts = node.op.to(torch.float64, "cpu").abs().transport((mine > 0).double(), shapes)
        else:
            parts = tuple(torch.full((1, *shape), float((mine > 0).any()), dtype=torch.float64) for shape in shapes)
        for arg, part in zip(node.inputs, parts, strict=True):
            reach[arg] = reach[arg] + part if arg in reach else part
    found = reach.get(graph.input.name)
    return torch.zeros(graph.input.shape).flatten() > 0 if found is None else (found > 0).flatten()


def places(graph: Graph, varies: Tensor) -> Graph | None:
    """The part that computes the last tensor cut or written at a computed place, where it is all through which the
    entries `varies (n,)` of the input reach the output: inputs that agree there are one to the network."""
    made = [node.name for node in graph.nodes if isinstance(node.op, Square)]
    if not made:
        return None
    part = graph.until(made[-1])
    blank = Node(made[-1], Constant(torch.zeros(part.output_shape)), (), part.output_shape)
    rest = replace(graph, nodes=tuple(blank if n.name == blank.name else n for n in graph.nodes))
    return None if bool((read(rest, graph.output) & varies).any()) else part
