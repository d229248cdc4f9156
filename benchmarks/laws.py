"""The laws of tests/laws on as many random examples as asked for.

    python benchmarks/laws.py [--examples 2000] [--seed 0] [--law NAME ...]

Prints for each law how many examples it held on, and the recipe of each that broke it; exits 1 if any did.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import torch
from laws.cases import Case
from laws.comparison import (
    DOUBLE,
    PROOF,
    SINGLE,
    law_alpha,
    law_exact_where_linear,
    law_intermediate_tighter,
    law_monotone,
    law_proof_close,
)
from laws.containment import METHODS, law_containment, law_exact
from laws.invariance import law_batch, law_chunks, law_windows
from laws.nets import LAYERS, STEPS
from laws.strategies import CONTINUOUS, EVERYTHING, STRAIGHT, Recipe, random_recipe

from verifier.bounding.methods import AlphaCrown, Zonotope
from verifier.bounding.options import Options

UNTIED = tuple(k for k in CONTINUOUS if k != "max")
UNSEARCHED = [m for m in METHODS if not isinstance(m, AlphaCrown)]
WALKS = [m for m in UNSEARCHED if not isinstance(m, Zonotope)]
MAPS = ((1, 1, 4, 4), (1, 2, 5, 6), (1, 1, 7, 6))
Law = Callable[[Case, random.Random], object]

LAWS: dict[str, tuple[tuple[str, ...], Law]] = {
    "containment": (CONTINUOUS, lambda c, r: law_containment(c, r.choice(METHODS), r.choice([SINGLE, DOUBLE]))),
    "proofs": (EVERYTHING, lambda c, r: law_containment(c, r.choice(METHODS), r.choice([PROOF, Options(proof=True)]))),
    "exact": ((*STRAIGHT, *STEPS), lambda c, r: law_exact(c, r.choice(METHODS), Options(proof=True))),
    "monotone": (CONTINUOUS, lambda c, r: law_monotone(c, r.randrange(100))),
    "tighter": (CONTINUOUS, lambda c, r: law_intermediate_tighter(c)),
    "alpha": (CONTINUOUS, lambda c, r: law_alpha(c, r.random() < 0.5)),
    "close": (UNTIED, lambda c, r: law_proof_close(c, r.choice(UNSEARCHED))),
    "linear": (STRAIGHT, lambda c, r: law_exact_where_linear(c, r.choice(METHODS[1:]))),
    "chunks": (UNTIED, lambda c, r: law_chunks(c, r.choice(WALKS), DOUBLE, r.choice([1, 3000, 10000]))),
    "batch": (UNTIED, lambda c, r: law_batch(c, r.choice(UNSEARCHED), DOUBLE)),
    "windows": (tuple(LAYERS), lambda c, r: law_windows(c)),
}


def example(name: str, rng: random.Random) -> tuple[Recipe, float]:
    """What one example is made of, and the size of its region."""
    recipe = random_recipe(rng, LAWS[name][0], depth=3 if name == "exact" else 6)
    if name == "windows":
        maps = rng.choices(["conv", "pad", "residual", "norm", "relu", "concat"], weights=[4, 2, 1, 1, 1, 1], k=4)
        recipe = replace(recipe, shape=rng.choice(MAPS), layers=tuple(maps))
    return recipe, 1e-4 if name == "linear" else rng.choice([0.0, 1e-6, 0.02, 0.2, 1.0])


def run(name: str, examples: int, seed: int) -> int:
    """How many examples broke the law."""
    rng, tally, start = random.Random(f"{name} {seed}"), Counter[str](), time.perf_counter()
    for _ in range(examples):
        recipe, size = example(name, rng)
        try:
            LAWS[name][1](recipe.case(size), rng)
            tally["held"] += 1
        except Exception as error:
            tally["broken"] += 1
            print(f"{name}: {type(error).__name__}: {error}\n  {recipe}, size {size}", flush=True)
    print(
        f"{name:12} {tally['held']:6} held  {tally['broken']:4} broken  {time.perf_counter() - start:6.1f} s",
        flush=True,
    )
    return tally["broken"]


def main() -> int:
    parser = argparse.ArgumentParser(description="The laws of tests/laws on many random examples.")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--law", nargs="*", choices=sorted(LAWS), default=list(LAWS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    return 1 if sum([run(name, args.examples, args.seed) for name in args.law]) else 0


if __name__ == "__main__":
    sys.exit(main())
