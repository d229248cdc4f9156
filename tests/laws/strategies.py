"""Hypothesis strategies; they draw names and seeds, so that a failure shrinks to few layers."""

import random
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from laws.cases import CLAUSES, REGIONS, Case, make_region, make_specification
from laws.nets import AFFINE, LAYERS, PIECEWISE, SMOOTH, network
from verifier.graph.graph import Graph

SHAPES = ((2,), (5,), (1, 3), (1, 1, 4, 4), (1, 2, 3, 5), (2, 1, 3, 3))
SCALES = (0.3, 1.0, 3.0)
STRAIGHT = (*AFFINE, *PIECEWISE)  # rational arithmetic can follow these
CONTINUOUS = (*STRAIGHT, *SMOOTH)
EVERYTHING = tuple(LAYERS)


def examples(count: int) -> settings:
    """No database and no deadline: the tests are the same on every machine, however slow it is."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Recipe:
    """What a case is made of; printed by a failing test."""

    shape: tuple[int, ...]
    layers: tuple[str, ...]
    seed: int
    scale: float
    region: str
    batch: int
    clause: tuple[int, ...]

    def graph(self) -> Graph:
        return network(self.shape, self.layers, self.seed, self.scale)

    def case(self, size: float = 0.2) -> Case:
        graph = self.graph()
        region = make_region(self.region, self.shape, self.batch, self.seed + 1, size)
        return Case(graph, region, make_specification(graph, self.batch, self.seed + 2, self.clause))


def graphs(kinds: tuple[str, ...] = EVERYTHING) -> st.SearchStrategy[Graph]:
    """Random small networks."""
    return recipes(kinds).map(Recipe.graph)


@st.composite
def recipes(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = EVERYTHING,
    regions: tuple[str, ...] = REGIONS,
    shapes: tuple[tuple[int, ...], ...] = SHAPES,
    batch: int = 4,
    depth: int = 6,
) -> Recipe:
    return Recipe(
        shape=draw(st.sampled_from(shapes)),
        layers=tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=depth))),
        seed=draw(st.integers(0, 10**6)),
        scale=draw(st.sampled_from(SCALES)),
        region=draw(st.sampled_from(regions)),
        batch=draw(st.integers(1, batch)),
        clause=draw(st.sampled_from(CLAUSES)),
    )


def random_recipe(rng: random.Random, kinds: tuple[str, ...] = EVERYTHING, depth: int = 6) -> Recipe:
    """The same without hypothesis, for long runs."""
    return Recipe(
        shape=rng.choice(SHAPES),
        layers=tuple(rng.choices(kinds, k=rng.randint(1, depth))),
        seed=rng.randrange(10**6),
        scale=rng.choice(SCALES),
        region=rng.choice(REGIONS),
        batch=rng.randint(1, 4),
        clause=rng.choice(CLAUSES),
    )
