"""Plans: what is believed, what is not, and that no answer depends on company or luck."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from laws.cases import CLAUSES, Case, inside, make_region, make_specification, points
from laws.nets import network
from laws.strategies import CONTINUOUS, Recipe
from laws.verdicts import spelled_out
from torch import Generator, Tensor

from verifier import batch
from verifier.attacks.attack import Attack
from verifier.attacks.pgd import Pgd
from verifier.attacks.sampled import Sampled
from verifier.batch import Answer, Settings, run
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.bounding.options import Options
from verifier.bounding.propagate import Bounds
from verifier.cli.arguments import METHODS
from verifier.complete.bab import Bab  # noqa: F401
from verifier.complete.branching.babsr import Babsr  # noqa: F401
from verifier.complete.branching.fsb import Fsb  # noqa: F401
from verifier.complete.input_split import InputSplit  # noqa: F401
from verifier.complete.portfolio import Portfolio  # noqa: F401
from verifier.complete.search import Search
from verifier.complete.whole import WholeNumbers  # noqa: F401
from verifier.errors import InputError, UnsupportedModel
from verifier.graph.build import Builder
from verifier.graph.graph import Graph
from verifier.graph.ops.dense import Shift
from verifier.model import Model
from verifier.plan import EXACT, PLANS, plan
from verifier.problem import Problem
from verifier.properties import Specification
from verifier.regions import box
from verifier.verdict import Falsified, Reason, Unknown, Verdict, Verified

QUICK: tuple[Attack | Method, ...] = (Pgd(steps=5, restarts=2), Crown(intermediate=False), AlphaCrown(steps=2))
Patch = pytest.MonkeyPatch
Failure = Callable[[], Exception]


@dataclass(frozen=True, eq=False)
class Float64:
    """The graph itself in float64, as another engine would run it."""

    graph: Graph
    name = "graph in float64"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(self.graph(torch.from_numpy(x).double()).float().numpy())


def problem(case: Case) -> Problem:
    return Problem(Model(case.graph, Float64(case.graph), "test"), case.region, case.specification)


def a_problem(batch: int = 3, seed: int = 0, size: float = 0.05) -> Problem:
    layers = ("linear", "relu", "linear", "relu")
    return problem(Recipe((4,), layers, seed, 1.0, "linf", batch, (0, 0, 1, 2)).case(size))


def verdicts(asked: Problem, settings: Settings) -> list[Verdict]:
    """In the order of the questions, each of which is answered once."""
    answers = list(run(asked, settings))
    assert sorted(a.index for a in answers) == list(range(asked.batch))
    return [a.verdict for a in sorted(answers, key=lambda a: a.index)]


def alike(a: Verdict, b: Verdict) -> bool:
    match a, b:
        case Verified(), Verified():
            return a.method == b.method and abs(a.margin - b.margin) <= 1e-5 * (1 + abs(a.margin))
        case Unknown(), Unknown():
            same = a.best == b.best or abs(a.best - b.best) <= 1e-5 * (1 + abs(a.best))
            return a.reason == b.reason and a.method == b.method and same
        case Falsified(), Falsified():
            return a.method == b.method
    return False


def fixed(search: float, proof: float) -> Callable[..., Bounds]:
    """Bounds of every row, whatever the network is."""

    def propagate(graph: object, region: object, method: object, specification: Specification, o: Options) -> Bounds:
        return Bounds({}, torch.full_like(specification.offset, proof if o.proof else search))

    return propagate


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("search", [NAN, -INF, -1.0, -0.0, 0.0, 1e-300, 1.0, INF])
@pytest.mark.parametrize("proof", [NAN, -INF, -1.0, -0.0, 0.0, 1e-300, 1.0, INF])
def test_only_a_positive_finite_proof_is_believed(search: float, proof: float, monkeypatch: Patch) -> None:
    monkeypatch.setattr(batch, "propagate", fixed(search, proof))
    (verdict,) = verdicts(a_problem(1), Settings((Crown(),)))
    if search > 0 and 0 < proof < INF:
        assert isinstance(verdict, Verified)
        assert verdict.margin == proof
    else:
        assert isinstance(verdict, Unknown)
        assert verdict.reason in (Reason.LOOSE, Reason.NUMERICS)
        assert verdict.reason == (Reason.NUMERICS if search > 0 else Reason.LOOSE)


FAILURES: list[tuple[Failure, Reason]] = [
    (lambda: MemoryError(), Reason.MEMORY),
    (lambda: torch.OutOfMemoryError("CUDA out of memory"), Reason.MEMORY),
    (lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), Reason.MEMORY),
    (lambda: UnsupportedModel("a Sine at wave (3)"), Reason.UNSUPPORTED),
]


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
@pytest.mark.parametrize("in_proof", [False, True])
def test_a_failing_bound_leaves_the_question_open(
    failure: Failure, reason: Reason, in_proof: bool, monkeypatch: Patch
) -> None:
    def propagate(graph: object, region: object, method: object, specification: Specification, o: Options) -> Bounds:
        if o.proof == in_proof:
            raise failure()
        return fixed(1.0, 1.0)(graph, region, method, specification, o)

    monkeypatch.setattr(batch, "propagate", propagate)
    for verdict in verdicts(a_problem(), Settings((Crown(),))):
        assert isinstance(verdict, Unknown)
        assert verdict.reason == reason


@dataclass(frozen=True)
class Failing(Attack):
    """Raises what it is given."""

    failure: Failure
    name = "failing"

    def propose(self, graph: Graph, problem: Problem, generator: Generator, stop: Callable[[], bool]) -> Tensor:
        raise self.failure()


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
def test_a_failing_attack_leaves_the_question_open(failure: Failure, reason: Reason) -> None:
    for verdict in verdicts(a_problem(), Settings((Failing(failure),))):
        assert isinstance(verdict, Unknown)
        assert verdict.reason == reason
    easy = a_problem()
    easy = replace(easy, specification=replace(easy.specification, offset=easy.specification.offset + 100))
    after = verdicts(easy, Settings((Failing(failure), Crown())))
    assert all(isinstance(v, Verified) for v in after), "later stages still run"


def test_what_we_do_not_know_is_not_swallowed() -> None:
    """An error of ours is no verdict of any kind."""
    with pytest.raises(ZeroDivisionError):
        list(run(a_problem(), Settings((Failing(lambda: ZeroDivisionError()),))))
    with pytest.raises(RuntimeError, match="shapes"):
        list(run(a_problem(), Settings((Failing(lambda: RuntimeError("shapes differ")),))))


def test_no_time_at_all() -> None:
    for verdict in verdicts(a_problem(), Settings(QUICK, timeout=0.0)):
        assert isinstance(verdict, Unknown)
        assert verdict.reason == Reason.TIME
        assert verdict.best == -INF


def test_time_that_runs_out_within_the_last_stage(monkeypatch: Patch) -> None:
    """A bound that was stopped is not called too loose."""
    clock = [0.0]
    monkeypatch.setattr(batch.time, "monotonic", lambda: clock[0])

    def propagate(graph: object, region: object, method: object, specification: Specification, o: Options) -> Bounds:
        assert not o.stop()
        clock[0] += 1000.0
        assert o.stop()
        return fixed(-1.0, -1.0)(graph, region, method, specification, o)

    monkeypatch.setattr(batch, "propagate", propagate)
    for verdict in verdicts(a_problem(), Settings((Crown(),), timeout=10.0)):
        assert isinstance(verdict, Unknown)
        assert verdict.reason == Reason.TIME
        assert verdict.best == -1.0


def test_a_proof_found_late_still_counts(monkeypatch: Patch) -> None:
    clock = [0.0]
    monkeypatch.setattr(batch.time, "monotonic", lambda: clock[0])

    def propagate(graph: object, region: object, method: object, specification: Specification, o: Options) -> Bounds:
        clock[0] += 1000.0
        return fixed(1.0, 1.0)(graph, region, method, specification, o)

    monkeypatch.setattr(batch, "propagate", propagate)
    answers = list(run(a_problem(), Settings((Crown(), Crown()), timeout=10.0)))
    assert all(isinstance(a.verdict, Verified) for a in answers)
    assert sum(a.seconds for a in answers) == pytest.approx(2000.0)


@pytest.mark.parametrize("method", [Ibp(), Crown(), AlphaCrown(steps=2), Zonotope()], ids=lambda m: m.name)
def test_proved_and_broken_exclude_each_other(method: Method) -> None:
    """Catalogue 15: on random networks nothing that is proved has a counterexample, and every witness is one."""
    proved = broken = 0
    for seed in range(24):
        layers = tuple(np.random.default_rng(seed).choice(CONTINUOUS, 4))
        recipe = Recipe((4,), layers, seed, 1.0, ("linf", "l2", "l1", "pixel")[seed % 4], 3, CLAUSES[seed // 4 % 4])
        case = recipe.case(0.05)
        rows = case.specification.values(case.graph(case.region.box().center))
        case = replace(case, specification=replace(case.specification, offset=0.3 * rows.std(0) + 0.1 * rows))
        for index, verdict in enumerate(verdicts(problem(case), Settings((method, Pgd(steps=8, restarts=2))))):
            one = case.select(torch.tensor([index]))
            if isinstance(verdict, Verified):
                proved += 1
                for x in points(one, seed, 12):
                    assert spelled_out(one.specification, one.graph(x))[0] or not bool(inside(one, x))
            if isinstance(verdict, Falsified):
                broken += 1
                witness = torch.from_numpy(verdict.witness).unsqueeze(0)
                assert witness.dtype == torch.float32
                assert bool(one.region.contains(witness)), "a witness outside of its region"
                assert not spelled_out(one.specification, torch.from_numpy(verdict.output).double().unsqueeze(0))[0]
                assert verdict.margin <= 0
    assert proved >= 5
    assert broken >= 5


def tie() -> Problem:
    """`x - 1 > 0` at `x = 1`: not broken by much, but broken."""
    builder = Builder("x", (1,))
    graph = builder.finish(builder.add(Shift(torch.zeros(1, dtype=torch.float64)), builder.input, name="same"), {})
    one = torch.ones(1, 1)
    return problem(Case(graph, box(one, one), Specification(torch.ones(1, 1, 1).double(), -one.double(), (0,))))


def test_a_tie_breaks_the_property() -> None:
    """Catalogue 8."""
    (bounded,) = verdicts(tie(), Settings((Ibp(), Crown(), AlphaCrown(steps=1))))
    assert isinstance(bounded, Unknown)
    (attacked,) = verdicts(tie(), Settings((Pgd(steps=1, restarts=1),)))
    assert isinstance(attacked, Falsified)
    assert attacked.margin == 0.0


@pytest.mark.parametrize("batch", [1, 5, 37])
def test_every_question_is_answered_once(batch: int) -> None:
    assert len(verdicts(a_problem(batch), Settings((Crown(intermediate=False),)))) == batch
    small = Settings((Crown(intermediate=False),), bytes=2**10)
    assert len(verdicts(a_problem(batch), small)) == batch


def test_nothing_to_answer() -> None:
    asked = a_problem(3).select(torch.tensor([], dtype=torch.int64))
    assert list(run(asked, Settings(QUICK))) == []


def test_the_same_seed_the_same_answers() -> None:
    first, second = (verdicts(a_problem(6, size=0.1), Settings(QUICK, seed=3)) for _ in range(2))
    assert all(alike(a, b) for a, b in zip(first, second, strict=True))


def test_order_and_company_do_not_matter() -> None:
    """Alone, reversed, or together: bounds say the same. (Attacks draw random numbers for the whole batch.)"""
    bounds = Settings((Crown(intermediate=False), Crown()))
    asked = a_problem(20, seed=4, size=0.1)
    together = verdicts(asked, bounds)
    assert len({type(v) for v in together}) == 2, "the example has answers of two kinds"
    order = torch.randperm(20, generator=Generator().manual_seed(0))
    shuffled = verdicts(asked.select(order), bounds)
    for place, index in enumerate(order.tolist()):
        assert alike(shuffled[place], together[index])
        assert alike(verdicts(asked.select(torch.tensor([index])), bounds)[0], together[index])


def test_stages_run_in_turn_on_what_is_open() -> None:
    heard: list[str] = []
    answers: list[Answer] = list(run(a_problem(8, size=0.1), Settings(QUICK), heard.append))
    assert heard[0] == "pgd: 8 open"
    left = [int(line.split()[1]) for line in heard]
    assert left == sorted(left, reverse=True)
    assert all(a.seconds >= 0 for a in answers)
    decided = [a for a in answers if not isinstance(a.verdict, Unknown)]
    assert answers[: len(decided)] == decided, "what stays open comes last"


@pytest.mark.parametrize(("large", "last"), [(10**9, ["crown", "pgd"]), (-1, ["pgd", "crown"])])
def test_attacks_go_before_walks_in_large_networks(large: int, last: list[str], monkeypatch: Patch) -> None:
    """Walks back from all neurons may take all the time."""
    monkeypatch.setattr(batch, "LARGE", large)
    asked, stages = a_problem(1), (Sampled(), Crown(intermediate=False), Crown(), Pgd(steps=1))
    every, settings = torch.arange(1), Settings(stages)
    begun = batch._Batch(asked, every, 1, asked.model.graph, settings, lambda _: None)
    assert [stage.name for stage in begun._stages()] == ["sampled", "crown-ibp", *last]


def test_an_unsupported_network_can_still_be_attacked() -> None:
    from verifier.graph.ops.opaque import Pointwise

    builder = Builder("x", (2,))
    graph = builder.finish(builder.add(Pointwise("Sin", torch.sin), builder.input, name="wave"), {})
    region = box(torch.zeros(2, 2), torch.tensor([[6.0, 6.0], [0.1, 0.1]]))
    rows = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(1, 2, 2)
    asked = problem(Case(graph, region, Specification(rows, torch.full((1, 2), 0.5, dtype=torch.float64), (0,))))
    first, second = verdicts(asked, Settings((Pgd(), Crown())))
    assert isinstance(first, Falsified)
    assert isinstance(second, Unknown)
    assert second.reason == Reason.UNSUPPORTED
    assert "Sin" in second.detail


def test_plans_have_names() -> None:
    assert set(METHODS) == {*PLANS, *EXACT}
    for name in METHODS:
        assert any(isinstance(stage, Attack | Method | Search) for stage in plan(name))
    for name in PLANS:
        assert plan(name) == PLANS[name]
        assert eval(repr(PLANS[name])) == PLANS[name], "a plan that is printed can be pasted back"
    with pytest.raises(InputError, match="alpha-crown"):
        plan("magic")


def test_shapes_must_fit() -> None:
    graph = network((4,), ("linear", "relu"), 0)
    model = Model(graph, Float64(graph), "test")
    good = make_specification(graph, 2, 0)
    with pytest.raises(InputError, match="region has shape"):
        Problem(model, make_region("linf", (5,), 2, 0), good)
    with pytest.raises(InputError, match="3 regions"):
        Problem(model, make_region("linf", (4,), 3, 0), good)
    with pytest.raises(InputError, match="property is about"):
        Problem(model, make_region("linf", (4,), 2, 0), replace(good, rows=good.rows[..., :2]))
