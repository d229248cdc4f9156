"""Laws of searches: verdicts agree with each other, with points and with brute force; bounds of domains are proofs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from torch import Generator, Tensor

from laws.cases import Case, make_region, make_specification, points
from laws.containment import node_values
from laws.enumeration import minimum
from laws.exact import exact_rows, exact_values
from laws.nets import network
from verifier.bounding.methods import Crown, Method
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.complete import clip
from verifier.complete.bab import Bab
from verifier.complete.boxes import Boxes, whole
from verifier.complete.branching.babsr import Babsr
from verifier.complete.branching.fsb import Fsb
from verifier.complete.branching.widest import Widest
from verifier.complete.domains import Domains, roots
from verifier.complete.input_split import InputSplit
from verifier.complete.relaxed import Relaxed
from verifier.complete.search import Search, Work
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.activation import Relu
from verifier.graph.ops.dense import Linear
from verifier.interval import Interval
from verifier.model import Model
from verifier.numerics import down, flat, up
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Falsified, Unknown, Verdict, Verified

NOISE = 1e-10  # of evaluating in float64, relative to the rows' terms
SEARCHES: dict[str, Search] = {
    "input-split": InputSplit(),
    "fsb": Bab(root=Crown(), branching=Fsb(), first=5, steps=4),
    "babsr": Bab(root=Crown(), branching=Babsr(), first=5, steps=4),
    "widest": Bab(root=Crown(), branching=Widest(), first=5, steps=4),
}


@dataclass(frozen=True)
class Own:
    """The graph itself as the engine that replays, in float64."""

    graph: Graph
    name: str = "own"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.graph(torch.from_numpy(x).double()).numpy())


@dataclass(frozen=True)
class Puzzle:
    """A question whose answer is near its turning point: the least margin that sampling finds is about `margin`."""

    shape: tuple[int, ...]
    layers: tuple[str, ...]
    seed: int
    scale: float
    region: str
    size: float
    clause: tuple[int, ...]
    closed: tuple[bool, ...]
    margin: float
    batch: int = 1

    def case(self) -> Case:
        graph = network(self.shape, self.layers, self.seed, self.scale)
        region = make_region(self.region, self.shape, self.batch, self.seed + 1, self.size)
        asked = make_specification(graph, self.batch, self.seed + 2, self.clause)
        case = Case(graph, region, asked)
        least = torch.stack([asked.margin(asked.values(graph(x))) for x in points(case, self.seed, 16)]).amin(0)
        offset = asked.offset - least.nan_to_num(0.0, 0.0, 0.0) + self.margin
        return Case(graph, region, replace(asked, offset=offset, closed=self.closed))

    def problem(self) -> Problem:
        return problem(self.case())


def problem(case: Case) -> Problem:
    return Problem(Model(case.graph, Own(case.graph), "test"), case.region, case.specification)


def case_of(asked: Problem) -> Case:
    return Case(asked.model.graph, asked.region, asked.specification)


def work(seconds: float = 5.0, domains: int = 4000, dtype: torch.dtype = torch.float32) -> Work:
    return Work(time.monotonic() + seconds, dtype, domains=domains)


def noise(case: Case, y: Tensor) -> Tensor:
    """What evaluating the rows at `y` in float64 can get wrong, with the network before them: `(B,)`."""
    size = flat((case.specification.rows * y).abs(), 2).sum(2) + case.specification.offset.abs() + 1
    return NOISE * size.amax(0)


def law_points(asked: Problem, verdicts: Sequence[Verdict], seed: int = 0, count: int = 24) -> None:
    """A verified question has its margin at every point; a witness lies inside and breaks the property."""
    case = case_of(asked)
    for x in points(case, seed, count):
        y = case.graph(x)
        here = case.specification.margin(case.specification.values(y))
        for b, verdict in enumerate(verdicts):
            if isinstance(verdict, Verified):
                assert verdict.margin >= 0, "verified by a negative margin"
                assert here[b] >= verdict.margin - noise(case, y)[b], (
                    f"{verdict.method}: verified, and a point breaks it"
                )
    for b, verdict in enumerate(verdicts):
        if isinstance(verdict, Falsified):
            one = torch.tensor([b])
            x = torch.from_numpy(verdict.witness).unsqueeze(0)
            assert bool(asked.region.select(one).contains(x)), "the witness lies outside"
            alone, y = case.select(one), case.graph(x.double())
            assert alone.specification.margin(alone.specification.values(y)) <= noise(alone, y), "it breaks nothing"


def law_agree(asked: Problem, answers: Sequence[Sequence[Verdict]]) -> None:
    """Of several searches no one verifies what another falsifies by more than noise."""
    case = case_of(asked)
    for b in range(asked.batch):
        verdicts = [answer[b] for answer in answers]
        proofs = [v for v in verdicts if isinstance(v, Verified)]
        for verdict in verdicts:
            if isinstance(verdict, Falsified):
                y = torch.from_numpy(verdict.output).double().unsqueeze(0).expand(asked.batch, *case.graph.output_shape)
                clear = verdict.margin < -float(noise(case, y)[b])
                assert not (proofs and clear), f"{proofs[0].method} verified what {verdict.method} falsified"


def truth(case: Case) -> float:
    """The least margin over a box of a piecewise linear network, by every activation pattern."""
    hull = case.region.box()
    ends = (hull.lower.reshape(-1).numpy(), hull.upper.reshape(-1).numpy())
    found = []
    for k in sorted(set(case.specification.clause)):
        index = [i for i, c in enumerate(case.specification.clause) if c == k]
        rows = flat(case.specification.rows[index, 0], 1).numpy()
        found.append(minimum(case.graph, *ends, rows, case.specification.offset[index, 0].numpy()))
    return min(found)


def law_truth(least: float, verdict: Verdict, clear: float = 1e-6) -> None:
    """What is known by brute force is not contradicted."""
    if isinstance(verdict, Verified):
        assert least > -clear, f"{verdict.method} verified, and the least margin is {least}"
        assert verdict.margin <= least + clear * max(1.0, abs(least)), f"{verdict.method} claims too large a margin"
    if isinstance(verdict, Falsified):
        assert least < clear, f"{verdict.method} falsified, and the least margin is {least}"
        assert verdict.margin >= least - clear * max(1.0, abs(least)), f"{verdict.method}: below the least margin"


def finished(verdict: Verdict) -> bool:
    return not isinstance(verdict, Unknown)


def kind(verdict: Verdict) -> str:
    return type(verdict).__name__


def relaxed(case: Case, method: Method | None = None, deployed: torch.dtype | None = None) -> Relaxed:
    """The relaxation of a single question."""
    options = Options(proof=True, deployed=deployed)
    table = propagate(case.graph, case.region, method or Crown(), case.specification, options).table
    return Relaxed(problem(case), table, torch.float32, deployed)


def random_domains(asked: Relaxed, values: Tensor, depth: int, gen: Generator) -> Domains:
    """A domain around each of the points whose entries at the sites are `values (N, n)`: cuts that the point respects,
    some of them exactly there, any multipliers, slopes and weights."""
    count, clauses = len(values), len(asked.proving.rows)
    clause = torch.randint(0, clauses, (count,), generator=gen)
    weight = torch.rand(count, asked.proving.rows.shape[1], generator=gen) ** 4
    found = roots(clause, weight + 1e-6, asked.start)
    share = {
        key: torch.randint(0, 256, value.shape, generator=gen).to(torch.uint8) for key, value in found.share.items()
    }
    found = replace(found, share=share)
    for _ in range(depth if values.shape[1] else 0):
        place = torch.randint(0, values.shape[1], (count,), generator=gen)
        z = values.gather(1, place.unsqueeze(1))[:, 0]
        step = torch.randn(count, generator=gen, dtype=torch.float64) * (torch.rand(count, generator=gen) < 0.6)
        point = z + step * 0.3 * (z.abs() + 0.1)
        left, right = (torch.arange(count), torch.arange(count) + count)
        tie = torch.rand(count, generator=gen) < 0.5
        at_most = (z < point) | ((z == point) & tie)
        found = found.cut(place, point)[torch.where(at_most, left, right)]
    size = 10.0 ** torch.randint(-3, 4, (count, 1), generator=gen)
    return replace(found, beta=torch.rand(found.beta.shape, generator=gen) * size)


def site_values(asked: Relaxed, graph: Graph, x: Tensor) -> Tensor:
    """The entries that can be cut, at `x (N, *in)`: `(N, n)`."""
    values = node_values(graph, x)
    columns = [flat(values[site.name], 1)[:, site.index] for site in asked.sites]
    return torch.cat(columns, 1) if columns else torch.empty(len(x), 0, dtype=torch.float64)


def within(domains: Domains, values: Tensor) -> Tensor:
    """`(N, M)`: which of the points with `values (M, n)` satisfy the cuts of which domain."""
    ok = torch.ones(len(domains), len(values), dtype=torch.bool)
    for d in range(domains.place.shape[1]):
        place, sign = domains.place[:, d], domains.sign[:, d].double()
        z = values[:, place.clamp(min=0)].T
        ok &= (place < 0).unsqueeze(1) | (sign.unsqueeze(1) * (z - domains.point[:, d : d + 1]) >= 0)
    return ok


def best_rows(asked: Relaxed, domains: Domains, y: Tensor) -> Tensor:
    """`(N, M)`: each domain's clause at outputs `y (M, *out)`."""
    walks = asked.proving
    rows, offset = flat(walks.rows[domains.clause], 2), walks.offset[domains.clause]
    return (torch.einsum("nro,mo->nmr", rows, flat(y, 1)) + offset.unsqueeze(1)).amax(2)


def law_domains(case: Case, seed: int, depth: int = 3, deployed: torch.dtype | None = None) -> None:
    """What is proved of a domain lies below its clause at every point of the domain, whatever the multipliers."""
    asked, gen = relaxed(case, deployed=deployed), Generator().manual_seed(seed)
    x = torch.cat(points(case, seed, 12))
    values, y = site_values(asked, case.graph, x), case.graph(x)
    if deployed is not None:
        single = case.graph.to(deployed)
        x = x.to(deployed)
        x = x[case.region.select(torch.zeros(len(x), dtype=torch.long)).contains(x)]
        values, y = site_values(asked, single, x).double(), single(x).double()
    for _ in range(3):
        domains = random_domains(asked, values, depth, gen)
        proved, best = asked.proved(domains), best_rows(asked, domains, y)
        reach = 1 + y.abs().amax() * asked.proving.rows.abs().amax() + asked.proving.offset.abs().amax()
        pulled = 1 + (domains.beta.double() * (domains.point.abs() + 1)).sum(1, keepdim=True)
        bad = (
            within(domains, values)
            & ~(proved.unsqueeze(1) <= best + 1e-13 * reach * pulled)
            & (proved == proved)[:, None]
        )
        assert not bool(bad.any()), "a domain's proof lies above one of its points"


def law_domains_exact(case: Case, seed: int, depth: int = 3) -> None:
    """The same in rational arithmetic, with no tolerance, at the point that the domain was made for."""
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    x = points(case, seed, 3)[seed % 3]
    if not bool(case.region.contains(x)):
        return
    exact = exact_values(case.graph, x[0])
    true = [Fraction(v) for site in asked.sites for v in exact[site.name].reshape(-1)[site.index.numpy()]]
    values = torch.tensor([[float(v) for v in true]], dtype=torch.float64)
    rows = exact_rows(case.specification, exact[case.graph.output], 0)
    count = 8
    domains = random_domains(asked, values.expand(count, -1), depth, gen)
    for n, proved in enumerate(asked.proved(domains).tolist()):
        cuts = zip(domains.place[n].tolist(), domains.sign[n].tolist(), domains.point[n].tolist(), strict=True)
        if not all(k < 0 or s * (true[k] - Fraction(p)) >= 0 for k, s, p in cuts):
            continue  # the point was rounded across its own cut
        best = max(r for r, c in zip(rows, case.specification.clause, strict=True) if c == int(domains.clause[n]))
        assert not proved > -np.inf or Fraction(proved) <= best, "a domain's proof is above an exact value"


def law_children(case: Case, seed: int) -> None:
    """Every point of a domain lies in a child of it; a child inherits all but its cut, which starts without force."""
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    values = site_values(asked, case.graph, torch.cat(points(case, seed, 8)))
    if not values.shape[1]:
        return
    values = torch.cat([values, up(values), down(values)])  # what lies between a point and its neighbour counts, too
    parents = random_domains(asked, values, 2, gen)
    parents = parents.joined(random_domains(asked, values, 0, gen))  # of two depths
    count = len(parents)
    place = torch.randint(0, values.shape[1], (count,), generator=gen)
    point = values[torch.randint(0, len(values), (count,), generator=gen), place]
    children = parents.cut(place, point)
    pair = [children[torch.arange(count) + shift] for shift in (0, count)]
    inside, first, second = (within(d, values) for d in (parents, *pair))
    assert torch.equal(inside, first | second), "children lose points, or gain some"
    for child in pair:
        assert torch.equal(child.clause, parents.clause)
        assert torch.equal((child.place >= 0).sum(1), (parents.place >= 0).sum(1) + 1)
        assert torch.allclose(child.beta.sum(1), parents.beta.sum(1)), "a cut starts with a multiplier"
        assert torch.equal(child.weight, parents.weight)
        assert all(torch.equal(child.share[key], parents.share[key]) for key in parents.share)


def law_optimised(case: Case, seed: int) -> None:
    """Multipliers and weights stay at least zero, cuts stay; bounds don't fall below the parent's."""
    asked, gen = relaxed(case), Generator().manual_seed(seed)
    domains = random_domains(asked, site_values(asked, case.graph, torch.cat(points(case, seed, 2))), 2, gen)
    domains = replace(domains, beta=domains.beta * (torch.rand(domains.beta.shape, generator=gen) < 0.5))
    found = asked.optimised(domains, 3, lambda: False)
    assert bool((found.beta >= 0).all()), "a multiplier below zero"
    assert bool((found.weight >= 0).all())
    assert torch.equal(found.place, domains.place)
    assert torch.equal(found.sign, domains.sign)
    assert torch.equal(found.point, domains.point)
    assert torch.equal(found.clause, domains.clause)
    assert bool((found.bound >= domains.bound).all())


def random_boxes(gen: Generator, count: int, size: int, clauses: int) -> Boxes:
    """Some without width in some inputs; some with a clause less to prove."""
    lower = torch.randn(count, size, generator=gen, dtype=torch.float64)
    width = torch.rand(count, size, generator=gen, dtype=torch.float64)
    width = torch.where(torch.rand(count, size, generator=gen) < 0.2, 0.0, width)
    found = whole(Interval(lower, lower + width), clauses)
    return replace(found, open=torch.rand(count, clauses, generator=gen) < 0.7)


def sampled(boxes: Boxes, gen: Generator) -> Tensor:
    """A point of each box, often at an end or a middle."""
    share = torch.rand(boxes.lower.shape, generator=gen, dtype=torch.float64)
    share = torch.where(torch.rand(share.shape, generator=gen) < 0.3, (share * 3).floor() / 2, share)
    x = boxes.lower + share * boxes.width
    return torch.minimum(torch.maximum(x, boxes.lower), boxes.upper)


def law_clipping(seed: int, once: bool, count: int = 30) -> None:
    """Rows that are their own linear bounds, zero at a point of the box or near it: where the point breaks all rows of
    an open clause, in rational arithmetic, it stays, and the clause stays open."""
    gen, clause = Generator().manual_seed(seed), torch.tensor([0, 0, 1, 2][: 1 + seed % 4])
    boxes = random_boxes(gen, count, 3, int(clause.max()) + 1)
    coefficient = torch.randn(len(clause), count, 3, generator=gen, dtype=torch.float64)
    sparse = torch.rand(1, count, 1, generator=gen) < 0.5  # one input decides: then every rounding shows
    zero = torch.rand(coefficient.shape, generator=gen) < torch.where(sparse, 0.7, 0.2)
    coefficient = torch.where(zero, 0.0, coefficient)
    x = sampled(boxes, gen)
    base, kept = torch.zeros(len(clause), count, dtype=torch.float64), []
    for n in range(count):
        ends = [[Fraction(float(end[n, i])) for i in range(3)] for end in (boxes.lower, x, boxes.upper)]
        broken = dict.fromkeys(clause.tolist(), True)
        for s, k in enumerate(clause.tolist()):
            slopes = [Fraction(float(c)) for c in coefficient[s, n]]
            rise = sum(
                (c * (x - a) if c > 0 else -c * (b - x) for c, a, x, b in zip(slopes, *ends, strict=True)), Fraction(0)
            )
            base[s, n] = -float(rise) + (seed % 2) * 0.5 * float(torch.randn((), generator=gen))
            broken[k] &= Fraction(float(base[s, n])) + rise <= 0
        kept.append([bool(boxes.open[n, k]) and broken[k] for k in broken])
    left, stays = clip.clipped(boxes, base, coefficient, clause, once), torch.tensor(kept)
    inside = ((x >= left.lower) & (x <= left.upper)).all(1)
    assert bool((inside | ~stays.any(1)).all()), "clipping lost a point that breaks an open clause"
    assert bool((left.open | ~stays).all()), "clipping closed a clause that is broken"
    assert bool((~left.empty | ~stays.any(1)).all())


def law_ties(search: Search) -> None:
    """`relu(x) - relu(x) > 0` is broken everywhere and `relu(x) > 0` somewhere; with `>=` both hold everywhere."""
    builder = Builder("x", (2,))
    relu = builder.add(Relu(), builder.input, name="relu")
    both = builder.add(Linear(torch.tensor([[1.0, -1.0], [1.0, -1.0]]).double()), relu, name="y")
    region = box(-torch.ones(1, 2), torch.ones(1, 2))
    for output, row in ((both, [1.0, -1.0]), (relu, [1.0, 0.0])):
        graph, asked = builder.finish(output, {}), specification(torch.tensor([row]), torch.zeros(1), (0,))
        law_nothing_verified(problem(Case(graph, region, asked)), search)
        (verdict,) = search(problem(Case(graph, region, replace(asked, closed=(True,)))), work(1.0, 200))
        assert not isinstance(verdict, Falsified), f"{search.name}: a closed row was read as an open one"
    assert isinstance(verdict, Verified), f"{search.name}: relu(x) >= 0 is not proved"


def planted(seed: int, width: float) -> tuple[Problem, Tensor]:
    """`1 - 3 * relu(1 - |x - p|_1 / width)` and a little more: bad within a third of `width` of `p`, and without a
    gradient that leads there."""
    gen = Generator().manual_seed(seed)
    p = torch.rand(2, generator=gen, dtype=torch.float64) * 1.6 - 0.8
    builder, eye = Builder("x", (2,)), torch.eye(2, dtype=torch.float64)
    noise = torch.randn(1, 2, generator=gen, dtype=torch.float64)
    first = Linear(torch.cat([eye, -eye, noise]), torch.cat([-p, p, torch.randn(1, generator=gen).double()]))
    at = builder.add(Relu(), builder.add(first, builder.input, name="linear"), name="relu")
    rest = torch.zeros(2, 5, dtype=torch.float64)
    rest[0, :4], rest[1, 4] = -1 / width, 1
    shift = torch.tensor([1.0, 0], dtype=torch.float64)
    at = builder.add(Relu(), builder.add(Linear(rest, shift), at, name="linear"), name="relu")
    last = torch.cat([torch.tensor([-3.0]).double(), 0.02 * torch.rand(1, generator=gen, dtype=torch.float64)])
    graph = builder.finish(builder.add(Linear(last.unsqueeze(0), torch.ones(1).double()), at, name="linear"), {})
    asked = specification(torch.ones(1, 1), torch.zeros(1), (0,))
    return problem(Case(graph, box(-torch.ones(1, 2), torch.ones(1, 2)), asked)), p.unsqueeze(0)


def law_nothing_verified(asked: Problem, search: Search) -> None:
    """Ties, broken numbers, and properties that fail."""
    for verdict in search(asked, work(2.0, 200)):
        assert not isinstance(verdict, Verified), f"{search.name}: verified what can't be known"


def specification(rows: Tensor, offset: Tensor, clause: tuple[int, ...], batch: int = 1) -> Specification:
    """The same `rows (S, *out)` and `offset (S,)` for every input."""
    rows = rows.double().unsqueeze(1).expand(len(rows), batch, *rows.shape[1:])
    return Specification(rows, offset.double().unsqueeze(1).expand(len(rows), batch), clause)
