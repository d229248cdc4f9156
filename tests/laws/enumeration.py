"""Brute force: the least value of a specification over a box, by one LP for every activation pattern that can occur.

Shares nothing with the encoder: forms are dense matrices over the inputs, patterns are branches of a recursion, LPs are
scipy's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import linprog

from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.activation import Abs, Clip, LeakyRelu, Relu
from verifier.graph.ops.pool import Max

MOST = 400  # patterns; a network with more is no example


class TooMany(Exception):
    """More patterns than `MOST`."""


@dataclass
class Polytope:
    """Inputs in a box with `a @ x <= b`."""

    bounds: np.ndarray
    a: np.ndarray
    b: np.ndarray

    def least(self, form: np.ndarray) -> float:
        """Of `form[0] + form[1:] @ x`; infinity where the polytope is empty."""
        found = linprog(form[1:], self.a if len(self.a) else None, self.b if len(self.b) else None, bounds=self.bounds)
        return np.inf if found.status == 2 else float(found.fun + form[0])

    def where(self, form: np.ndarray) -> "Polytope":
        """And `form <= 0`."""
        return replace(self, a=np.vstack([self.a, form[1:]]), b=np.append(self.b, -form[0]))


def minimum(graph: Graph, lower: np.ndarray, upper: np.ndarray, rows: np.ndarray, offset: np.ndarray) -> float:
    """The least, over the box, of the greatest of `rows (k, n) @ output + offset`."""
    d = len(lower)
    start = Polytope(np.stack([lower, upper], axis=1), np.zeros((0, d)), np.zeros(0))
    best = np.inf
    for count, (space, form) in enumerate(patterns(graph, 0, {}, start)):
        if count > MOST:
            raise TooMany
        values = rows @ form
        values[:, 0] += offset
        best = min(best, least_greatest(space, values))
    return best


def least_greatest(space: Polytope, values: np.ndarray) -> float:
    d = values.shape[1] - 1
    a = np.vstack(
        [np.hstack([space.a, np.zeros((len(space.a), 1))]), np.hstack([values[:, 1:], -np.ones((len(values), 1))])]
    )
    b = np.concatenate([space.b, -values[:, 0]])
    found = linprog(np.append(np.zeros(d), 1.0), a, b, bounds=[*space.bounds.tolist(), (None, None)])
    return np.inf if found.status == 2 else float(found.fun)


def patterns(
    graph: Graph, at: int, forms: dict[str, np.ndarray], space: Polytope
) -> Iterator[tuple[Polytope, np.ndarray]]:
    """Every pattern from node `at` on: its polytope and the output's form `(n, 1 + d)` there."""
    if at == len(graph.nodes):
        yield space, forms[graph.output]
        return
    node = graph.nodes[at]
    if isinstance(node.op, Input | Affine):
        yield from patterns(graph, at + 1, {**forms, node.name: affine(graph, node, forms, len(space.bounds))}, space)
        return
    for part, form in branches(node, forms[node.inputs[0]], space):
        yield from patterns(graph, at + 1, {**forms, node.name: form}, part)


def affine(graph: Graph, node: Node, forms: dict[str, np.ndarray], d: int) -> np.ndarray:
    if isinstance(node.op, Input):
        return np.hstack([np.zeros((d, 1)), np.eye(d)])
    shapes = [graph.by_name[name].shape for name in node.inputs]

    def run(column: int) -> np.ndarray:
        args = [
            torch.from_numpy(forms[n][:, column].copy()).reshape(1, *s)
            for n, s in zip(node.inputs, shapes, strict=True)
        ]
        return node.op.forward(*args).reshape(-1).numpy()

    zero = node.op.forward(*(torch.zeros(1, *s, dtype=torch.float64) for s in shapes)).reshape(-1).numpy()
    return np.stack([run(0), *(run(k) - zero for k in range(1, d + 1))], axis=1)


def branches(node: Node, x: np.ndarray, space: Polytope) -> Iterator[tuple[Polytope, np.ndarray]]:
    """Every way to choose a piece for each entry of a nonlinear node."""
    groups = x.reshape(-1, node_group(node, x), x.shape[1])
    yield from choose(node, groups, 0, [], space)


def node_group(node: Node, x: np.ndarray) -> int:
    return len(x) // max(1, int(np.prod(node.shape))) if isinstance(node.op, Max) else 1


def choose(
    node: Node, groups: np.ndarray, at: int, done: list[np.ndarray], space: Polytope
) -> Iterator[tuple[Polytope, np.ndarray]]:
    if at == len(groups):
        yield space, np.array(done)
        return
    for form, conditions in options(node, groups[at], at):
        part, possible = space, True
        for condition in conditions:
            if not space.least(condition) <= 1e-9:
                possible = False
                break
            part = part.where(condition)
        if possible and (len(conditions) < 2 or np.isfinite(part.least(np.zeros(groups.shape[2])))):
            yield from choose(node, groups, at + 1, [*done, form], part)


def options(node: Node, group: np.ndarray, at: int) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Each piece's form, and forms that are not positive where the piece holds."""
    x, zero = group[0], np.zeros(group.shape[1])

    def spread(value: torch.Tensor) -> float:
        return float(value.expand(node.shape).reshape(-1)[at])

    def level(value: float) -> np.ndarray:
        return np.concatenate([[value], zero[1:]])

    match node.op:
        case Relu():
            return [(zero, [x]), (x, [-x])]
        case Abs():
            return [(-x, [x]), (x, [-x])]
        case LeakyRelu():
            return [(spread(node.op.slope) * x, [x]), (x, [-x])]
        case Clip():
            least, greatest = level(spread(node.op.least)), level(spread(node.op.greatest))
            return [(least, [x - least]), (x, [least - x, x - greatest]), (greatest, [greatest - x])]
        case Max():
            return [(own, [other - own for j, other in enumerate(group) if j != i]) for i, own in enumerate(group)]
    raise TypeError(f"{node.op.label} has no patterns here")
