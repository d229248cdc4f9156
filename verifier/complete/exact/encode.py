"""One encoder: a graph over a region as a mixed-integer program, node by node, with bounds that were proved before.

Affine nodes are rows; entries that are linear on their interval need no binary; what has no exact encoding is held
between its two proven lines, which loses completeness and no soundness.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy import sparse

from verifier.bounding.state import State
from verifier.complete.exact.builder import Form, Index, ProgramBuilder, free
from verifier.complete.exact.matrix import matrices
from verifier.complete.exact.onesided import idle
from verifier.complete.exact.pieces import Kinks, Line, Pieces, add_clips, add_kinks, pieces
from verifier.complete.exact.program import Mask, Program, Vector
from verifier.complete.exact.steps import add_lines, add_maxima, add_signs, leaders
from verifier.errors import UnsupportedModel
from verifier.graph.graph import Graph, Node
from verifier.graph.op import Affine, Input
from verifier.graph.ops.activation import Sign
from verifier.graph.ops.dense import Constant, Sum
from verifier.graph.ops.pool import Max
from verifier.graph.ops.shape import Pad
from verifier.interval import Interval
from verifier.regions import Ball, Region
from verifier.relaxations.table import RELAXATIONS


@dataclass(eq=False)
class Encoder:
    """Walks `graph` (float64, CPU) over the single region `region` with the proven intervals of `table`.

    Before a nonlinear node `tighten` may improve its argument's interval in `table`, from what is encoded so far.
    `exact` says whether every point of the program is one of the network; `kinks` are the undecided neurons.
    """

    graph: Graph
    region: Region
    table: dict[str, Interval]
    tighten: "Callable[[Encoder, Node], None] | None" = None
    stop: Callable[[], bool] = lambda: False
    exact: bool = True
    kinks: list[Kinks] = field(default_factory=list)
    build: ProgramBuilder = field(default_factory=ProgramBuilder)
    forms: dict[str, Form] = field(default_factory=dict)

    def run(self) -> "Encoder":
        """Encode every node.

        Raises:
            TimeoutError: `stop` said so.
            UnsupportedModel: a bound is infinite, or a matrix too large.
        """
        for node in self.graph.nodes:
            if self.stop():
                raise TimeoutError
            if isinstance(node.op, Input):
                self.forms[node.name] = self._input(node)
            elif isinstance(node.op, Affine):
                self.forms[node.name] = self._affine(node, node.op)
            else:
                if self.tighten is not None:
                    self.tighten(self, node)
                self.forms[node.name] = self._nonlinear(node)
        return self

    def minimum(self, rows: Vector) -> Program:
        """The program of the least value, over the inputs, of the greatest row; `rows (k, 1 + n)` hold an offset and
        the coefficients of the output."""
        parts = [(sparse.csr_array(rows[:, 1:]), self.forms[self.graph.output])]
        return self.least(self.build.combine(parts, rows[:, 0], 1, moves=False))

    def least(self, form: Form) -> Program:
        """The program of the least value of the greatest number of a form."""
        mark = self.build.mark()
        cost, constant = np.zeros(self.build.count), 0.0
        if len(form) == 1:
            cost[: form.matrix.shape[1]] = form.matrix.toarray()[0]
            constant = float(np.nextafter(form.constant[0] - form.error[0], -np.inf))
        else:
            top = self.build.greatest(form)
            cost = np.zeros(self.build.count)
            cost[top] = 1.0
        program = self.build.finish(cost, constant)
        self.build.back(mark)
        return replace(program, integer=program.integer & ~idle(program, self.kinks))

    def columns(self, name: str, which: Mask) -> Index:
        """Columns of the entries `which` of a node."""
        form, (lower, upper) = self.forms[name], ends(self.table[name])
        index = self.build.define(form.at(free(which)), lower[which], upper[which])
        parts = [(free(which), self.build.unit(index)), (free(~which), form.at(free(~which)))]
        self.forms[name] = self.build.stacked(parts, len(form))
        return index

    def _input(self, node: Node) -> Form:
        index = self.build.columns(*ends(self.table[node.name]))
        if isinstance(self.region, Ball):
            self._ball(self.region, index)
        return self.build.unit(index)

    def _ball(self, region: Ball, index: Index) -> None:
        """An L1 ball as rows: `d >= |x - center|` and `sum(d / radius) <= 1`. An L2 ball keeps its box only."""
        if region.p == 2:
            self.exact = False
            return
        center, radius = region.center.flatten().numpy(), region.radius.flatten().numpy()
        moves = free(radius > 0)
        at, c, weight = index[moves], center[moves], np.nextafter(1 / radius[moves], 0.0)
        reach = np.maximum(np.abs(self.build.upper[at] - c), np.abs(c - self.build.lower[at]))
        d = self.build.columns(np.zeros(len(at)), np.nextafter(reach, np.inf))
        self.build.require([(d, 1.0), (at, -1.0)], -c)
        self.build.require([(d, 1.0), (at, 1.0)], c)
        total = sparse.csr_array((-weight, (np.zeros(len(d), dtype=int), d)), shape=(1, self.build.count))
        self.build.rows(total, np.full(1, -1.0), np.full(1, np.inf), np.zeros(1))

    def _affine(self, node: Node, op: Affine) -> Form:
        shapes, out = [torch.Size(self.graph.by_name[name].shape) for name in node.inputs], torch.Size(node.shape)
        if isinstance(op, Constant) and op.error is not None:
            raise UnsupportedModel(f"{node.name} is known up to an error only; programs need the network itself")
        offset = np.zeros(out.numel())
        if node.name in self.graph.offsets:
            offset = self.graph.offsets[node.name].expand(1, *out).reshape(-1).numpy().copy()
        parts = list(zip(matrices(op, shapes, out), (self.forms[name] for name in node.inputs), strict=True))
        return self.build.combine(parts, offset, op.terms(shapes, out), moves(op))

    def _nonlinear(self, node: Node) -> Form:
        if isinstance(node.op, Max):
            return self._maximum(node)
        if isinstance(node.op, Sign):
            return self._signs(node)
        found = pieces(node.op, node.shape)
        return self._lined(node) if found is None else self._piecewise(node, found)

    def _piecewise(self, node: Node, found: Pieces) -> Form:
        """Entries with no break inside their interval are linear, those with one or two get binaries."""
        name = node.inputs[0]
        (low, high), (y_low, y_high) = ends(self.table[name]), ends(self.table[node.name])
        inside = ((low < found.breaks) & (found.breaks < high)).sum(axis=0)
        first = (found.breaks <= low).sum(axis=0)
        stable, everyone = inside == 0, np.arange(len(low))
        slope, shift = found.line(first, everyone)
        self.columns(name, ~stable | ((slope != 0) & (self.forms[name].width() > 1)))
        parts = [(free(stable), self.build.scaled(self.forms[name].at(free(stable)), slope[stable], shift[stable]))]
        for count in (1, 2):
            at = free(inside == count)
            if len(at):
                x = self.columns(name, inside == count)
                y = self.build.columns(y_low[at], y_high[at])
                if count == 1:
                    right = found.line(first[at] + 1, at)
                    self.kinks.append(add_kinks(self.build, x, y, (slope[at], shift[at]), right))
                else:
                    add_clips(self.build, x, y, *found.breaks[:, at])
                parts.append((at, self.build.unit(y)))
        return self.build.stacked(parts, len(low))

    def _signs(self, node: Node) -> Form:
        name = node.inputs[0]
        (low, high), (y_low, y_high) = ends(self.table[name]), ends(self.table[node.name])
        open_ = (low <= 0) & (high >= 0) & (low < high)
        x = self.columns(name, open_)
        y = add_signs(self.build, x, y_low[open_], y_high[open_])
        parts = [(free(~open_), self.build.constant(np.sign(low[~open_]))), (free(open_), self.build.unit(y))]
        return self.build.stacked(parts, len(low))

    def _maximum(self, node: Node) -> Form:
        name, group = node.inputs[0], self.graph.by_name[node.inputs[0]].shape[-1]
        (low, high), (y_low, y_high) = ends(self.table[name]), ends(self.table[node.name])
        rival = leaders(low.reshape(-1, group), high.reshape(-1, group))
        open_ = rival.sum(axis=1) > 1
        if open_.any():
            everything = np.zeros(rival.shape, dtype=bool)
            everything[open_] = True
            x = self.columns(name, everything.reshape(-1)).reshape(-1, group)
            y = add_maxima(self.build, x, rival[open_], y_low[open_], y_high[open_])
            below, above = self._lines(node)
            add_lines(self.build, x, y, *((slope[open_], shift[open_]) for slope, shift in (below, above)))
        decided = np.arange(rival.size).reshape(rival.shape)[~open_, rival[~open_].argmax(axis=1)]
        parts = [(free(~open_), self.forms[name].at(decided))]
        if open_.any():
            parts.append((free(open_), self.build.unit(y)))
        return self.build.stacked(parts, len(y_low))

    def _lined(self, node: Node) -> Form:
        """Between two lines; a product reads a group of entries for each of its own."""
        self.exact = False
        name, size = node.inputs[0], node.size
        x = self.columns(name, np.ones(len(self.forms[name]), dtype=bool))
        y = self.build.columns(*ends(self.table[node.name]))
        add_lines(self.build, x.reshape(size, -1), y, *self._lines(node))
        return self.build.unit(y)

    def _lines(self, node: Node) -> tuple[Line, Line]:
        """The proven lines below and above: slopes `(n, group)`, intercepts `(n)`, what rounding loses taken off."""
        relaxation = RELAXATIONS[type(node.op)]
        lines = relaxation.lines(node.op, self.table[node.inputs[0]])
        loss = State(self.graph, self.region, True, table=self.table).loss(node.name, lines).reshape(-1).numpy()
        n = len(loss)

        def line(slope: torch.Tensor, intercept: torch.Tensor | None, sign: float) -> Line:
            shift = np.zeros(n) if intercept is None else intercept.reshape(-1).numpy()
            return slope.reshape(n, -1).numpy(), np.nextafter(shift - sign * loss, -sign * np.inf)

        return line(lines.slopes.lower, lines.least, 1.0), line(lines.slopes.upper, lines.greatest, -1.0)


def moves(op: Affine) -> bool:
    """Are the weights ones, zeros and minus ones, for sure? Ops that keep the default `abs` promise it."""
    return type(op).abs is Affine.abs or isinstance(op, Sum | Pad | Constant)


def ends(interval: Interval) -> tuple[Vector, Vector]:
    """Both ends of a single input's interval, flat.

    Raises:
        UnsupportedModel: one is infinite; a program needs finite boxes.
    """
    lower, upper = interval.lower.reshape(-1).numpy(), interval.upper.reshape(-1).numpy()
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise UnsupportedModel("a program needs finite bounds of every node, and some are infinite here")
    return lower, upper
