"""The one loop of all incomplete methods: node by node forwards, and a walk backwards where an interval decides too
little."""

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from verifier.bounding.ahead import Ahead
from verifier.bounding.alpha import optimise
from verifier.bounding.backward import Backward
from verifier.bounding.bands import Bands
from verifier.bounding.chunks import rows_at_once
from verifier.bounding.copies import Twins, twins
from verifier.bounding.entries import units
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.relevance import relevant
from verifier.bounding.rows import LinearRows, walked, walks
from verifier.bounding.state import State, check_boundable
from verifier.bounding.zonotope import room
from verifier.errors import InputError
from verifier.graph.graph import Graph, Node
from verifier.interval import Interval
from verifier.numerics import enclose, flat
from verifier.properties import Specification
from verifier.regions import Region
from verifier.relaxations.table import RELAXATIONS, Table

PROBED = 16  # entries of a node whose slopes are optimised before the others, to see what it brings
PAYS = 0.999  # of the widths of intervals, left by slopes: above that a node's other entries keep theirs


@dataclass(frozen=True, eq=False)
class Bounds:
    """`table` holds an interval for every node; `rows (S, B)` lower bounds of the specification's rows, if any, and
    `form` the linear ones that a walk back to the input found."""

    table: dict[str, Interval]
    rows: Tensor | None
    form: LinearRows | None = None

    def among(self, mine: Tensor) -> "Bounds":
        """The same with all rows of a specification `(S,)`, those that were left out without a bound."""
        if bool(mine.all()) or self.rows is None:
            return self
        rows = self.rows.new_full((len(mine), self.rows.shape[1]), -torch.inf)
        rows[mine] = self.rows
        return Bounds(self.table, rows, None if self.form is None else self.form.among(mine))


def propagate(
    graph: Graph, region: Region, method: Method, specification: Specification | None, options: Options
) -> Bounds:
    """Bound every node of `graph` over `region`, then the rows of `specification` at its output.

    Raises:
        UnsupportedModel: some node has no bounds yet; all are listed.
        InputError: the region does not have the input's shape.
    """
    if region.shape != graph.input.shape:
        raise InputError(f"the region has shape {region.shape}, the network's input {graph.input.shape}")
    table = options.relaxations or RELAXATIONS
    check_boundable(graph, table)
    if isinstance(method, Zonotope):
        if region.batch > 1 and not fits(graph, region, method, options):
            return _in_halves(graph, region, method, specification, options)
        least = min(method.symbols, int(flat(region.box().varies, 1).any(0).sum()))
        if room(graph, region.batch, method.symbols, options.bytes)[graph.input.name] < least:
            raise MemoryError(f"{method} needs more than {options.bytes} bytes; allow more memory, or fewer symbols")
    return _Run(graph, region, method, table, options).bounds(specification)


def fits(graph: Graph, region: Region, method: Zonotope, options: Options) -> bool:
    """Do all symbols of all inputs fit into memory together?"""
    symbols = min(method.symbols, sum(node.size for node in graph.nodes))
    return room(graph, region.batch, symbols, options.bytes)[graph.input.name] >= symbols


def _in_halves(
    graph: Graph, region: Region, method: Method, specification: Specification | None, options: Options
) -> Bounds:
    """The first and the second half of the inputs on their own: no answer depends on the company it is asked in."""
    parts, halves = [], [Notes(), Notes()]
    for index, notes in zip(torch.arange(region.batch).tensor_split(2), halves, strict=True):
        asked = None if specification is None else specification.select(index)
        known = {name: interval[index] for name, interval in options.known.items()}
        half = replace(options, known=known, notes=None if options.notes is None else notes)
        parts.append(propagate(graph, region.select(index), method, asked, half))
    if options.notes is not None:
        options.notes.join(*halves)
    first, second = parts
    table = {name: first.table[name].joined(second.table[name]) for name in first.table}
    return Bounds(table, None if first.rows is None or second.rows is None else torch.cat([first.rows, second.rows], 1))


class _Run:
    def __init__(self, graph: Graph, region: Region, method: Method, table: Table, options: Options) -> None:
        self.method, self.options = method, options
        dtype = torch.float64 if options.proof else options.dtype
        device = "cpu" if options.proof else options.device
        self.state = State(
            graph.to(dtype, device), region.to(dtype, device), options.proof, table, not isinstance(method, Ibp)
        )
        self.state.deployed = options.deployed if options.proof else None
        self.search = self.state
        if options.proof and isinstance(method, AlphaCrown):
            graph, region = graph.to(options.dtype, options.device), region.to(options.dtype, options.device)
            self.search = State(graph, region, False, table)
        self.tightens = isinstance(method, Crown | AlphaCrown) and method.intermediate
        self.relevant: dict[str, Tensor] = {}
        self.ahead = Ahead(self.state, method, options)
        self.bands = Bands(self.state) if options.bands and self.tightens else None
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            if node.nonlinear:
                self.readers.setdefault(node.inputs[0], []).append(node)

    def bounds(self, specification: Specification | None) -> Bounds:
        if specification is not None and self.tightens:
            like = self.state.region.box().lower
            self.relevant = relevant(self.state.graph, specification.rows.to(like.device, like.dtype))
        for node in self.state.graph.nodes:
            self.state.enter(node)
            if node.name in self.options.known:
                self.state.improve(node.name, self.options.known[node.name].to(self.state.graph.like.dtype))
            if self.search is not self.state:
                self.search.enter(self.search.graph.by_name[node.name])
            self.ahead.enter(node)
            if self.bands is not None:
                with torch.no_grad():
                    self.bands.enter(node)
            if self.tightens and node.name in self.readers and not self.options.stop():
                self._tighten(node)
        if self.options.notes is not None:
            self._note(self.options.notes)
        return self._rows(specification) if specification is not None else Bounds(self.state.table, None)

    def _note(self, notes: Notes) -> None:
        notes.level, notes.grounded = isinstance(self.method, Ibp), self.options.grounded
        notes.lines(self.state.lines, {node.name: node.op for node in self.state.graph.nodes})
        notes.bands, notes.symbols = 0 if self.bands is None else len(self.bands.vary), self.ahead.symbols

    def _tighten(self, node: Node) -> None:
        """Walk back from entries that some reader does not see as linear yet; with slopes, from those left again."""
        known = self.bands is not None and self.bands.tight(node.name)
        if node.name in self.state.hull or known or not self._linearised(node):
            return
        if self.options.notes is not None:
            self.options.notes.tightened.append(node.name)
        same = twins(self.state.graph, node) if self.options.notes is None else Twins()  # the checker knows of none
        if not self.options.settled:
            if self.bands is None:
                self.ahead.begin(node, self._undecided)
            self._refine(node, same, None)
        if isinstance(self.method, AlphaCrown) and self.state.lines and not self._hurry():
            self._refine(node, same, self.method)
        if self.search is not self.state:
            like = self.search.region.box().lower
            self.search.improve(node.name, self.state.table[node.name].to(like.dtype, like.device))

    def _undecided(self, node: Node) -> int:
        """How many entries of a node walks are wanted from, and symbols for."""
        return int(self._open(node).sum()) if node.name in self.readers else 0

    def _open(self, node: Node) -> Tensor:
        """The entries `(B, n)` of a node that some reader does not see as linear, and that rows depend on."""
        interval = self.state.table[node.name]
        open_ = torch.zeros_like(interval.lower, dtype=torch.bool)
        for reader in self._linearised(node):
            open_ |= ~self.state.relaxations[type(reader.op)].linear(reader.op, interval)
        if node.name in self.relevant:
            open_ &= self.relevant[node.name]
        return flat(open_, 1)

    def _linearised(self, node: Node) -> list[Node]:
        """The readers of a node that have lines, which depend on its interval."""
        readers = self.readers[node.name]
        return readers if self.bands is None else [n for n in readers if not self.bands.multiplies(n.op)]

    def _hurry(self) -> bool:
        return self.options.hurry() or self.options.stop()

    def _refine(self, node: Node, same: Twins, alpha: AlphaCrown | None) -> None:
        interval, open_ = self.state.table[node.name], same.once(self._open(node))
        counts = open_.sum(1)
        order = open_.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
        lower, upper = flat(interval.lower, 1).clone(), flat(interval.upper, 1).clone()
        first, step = 0, rows_at_once(self.state, node, alpha is not None, self.options.bytes)
        while first < (last := int(counts.max())) and not (self.options.stop() if alpha is None else self._hurry()):
            which = (counts > first).nonzero().flatten()  # inputs with rows left
            count = step if alpha is None or first else min(step, PROBED)
            index = order[which, first : min(first + count, last)].T
            try:
                found = self._lower(node, index, which, alpha)
            except torch.OutOfMemoryError:
                if step == 1:
                    raise
                step //= 2
                continue
            asked = torch.arange(first, first + len(index), device=counts.device) < counts[which].unsqueeze(1)
            place = (which.unsqueeze(1).expand_as(asked)[asked], index.T[asked])  # not what only fills up the batch
            lower[place] = found[: len(index)].T[asked]
            upper[place] = -found[len(index) :].T[asked]
            if alpha is not None and first == 0:
                counts = torch.where(paid(interval, lower, upper, place), counts, 0)
            first += len(index)
        lower, upper = same.told(lower, upper)
        self.state.improve(node.name, Interval(lower.reshape_as(interval.lower), upper.reshape_as(interval.upper)))

    def _lower(self, node: Node, index: Tensor, which: Tensor, alpha: AlphaCrown | None) -> Tensor:
        """Both sides of the entries `index (S, N)` of a node for the inputs `which (N,)`: `(2S, N)`."""
        everyone = len(which) == self.state.region.batch
        state = self.state if everyone else self.state.select(which)
        if alpha is None:
            with torch.no_grad():
                return state.backward().bound(node.name, units(node, index, state), both=True)
        search = self.search if everyone else self.search.select(which.to(self.options.device))
        if self.search is self.state:
            state = search
        rows = units(node, index, search).with_negative().dense()
        notes = self.options.notes
        note = partial(notes.start, node.name, which, index) if notes is not None else None
        return optimise(state, search, node.name, rows, alpha, self._hurry, note)

    def _rows(self, specification: Specification) -> Bounds:
        state, method = self.state, self.method
        like = state.region.box().lower
        specification = specification.to(like.dtype, like.device)
        start = state.graph.output
        curved = [node.name for nodes in self.readers.values() for node in nodes]
        stops = {name: state.table[name] for name in curved} if isinstance(method, Ibp) else {}
        linear, chunks, slopes = [], [], list[Tensor | None]()
        notes, first = self.options.notes, 0
        step = rows_at_once(state, state.graph.by_name[start], False, self.options.bytes)
        ways = walks(state, stops, self.options.grounded)
        for rows, offset in zip(specification.rows.split(step), specification.offset.split(step), strict=True):
            known = self.ahead.rows(rows)
            if notes is None and len(rows) < len(specification.rows) and self._spared(enclose(known, offset)[0], first):
                chunks.append(known)
                slopes.append(None)
                first += len(rows)
                continue
            with torch.no_grad():
                found, slope = self._linear(ways, rows)
            linear.append(found)
            slopes.append(slope)
            bound = found.amax(0)
            if isinstance(method, AlphaCrown):
                note = partial(notes.row, first) if notes is not None else None
                found = optimise(state, self.search, start, rows, method, self._hurry, note)
                bound = torch.maximum(bound, found)
            chunks.append(torch.maximum(bound, known))
            first += len(rows)
        form = None
        if all(slope is not None for slope in slopes):
            base = self._shifted(torch.cat(linear, 1), specification)
            form = LinearRows(base.flatten(0, 1), torch.cat(slopes, 1).flatten(0, 1))  # type: ignore[arg-type]
        return Bounds(state.table, self._shifted(torch.cat(chunks), specification), form)

    def _linear(self, ways: list[Backward], rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """What walks say of rows, and bands that know more of products."""
        found, slope = walked(ways, self.state.graph.output, rows)
        if slope is None or self.bands is None or not self.bands.squared:
            return found, slope
        bound, own = self.bands.rows(rows)
        return torch.cat([found, bound.unsqueeze(0)]), torch.cat([slope, own.unsqueeze(0)])

    def _spared(self, known: Tensor, first: int) -> bool:
        """Need some of many rows no walk, or is there no time for one?"""
        return (first > 0 and self.options.stop()) or (self.ahead.zonotopes is not None and bool((known > 0).all()))

    def _shifted(self, bounds: Tensor, specification: Specification) -> Tensor:
        """With the rows' offsets; as a proof rounded downwards, and exact where the sum is."""
        if not self.options.proof:
            return bounds + specification.offset
        return enclose(bounds, specification.offset)[0]


def paid(before: Interval, lower: Tensor, upper: Tensor, place: tuple[Tensor, Tensor]) -> Tensor:
    """For each input, did the new ends `(B, n)` of its entries at `place` make these narrower by anything that counts?
    Each input decides for itself: an answer does not depend on the company it is asked in."""
    known = flat(before.upper - before.lower, 1)
    mine = torch.zeros_like(known, dtype=torch.bool)
    mine[place] = True
    now = torch.where(mine, torch.minimum(known, upper - lower), 0.0).sum(1)
    return now < PAYS * torch.where(mine, known, 0.0).sum(1)
