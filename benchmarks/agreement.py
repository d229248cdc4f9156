"""Branch and bound, input splitting, the exact search and brute force on as many random small networks as asked for.

    python benchmarks/agreement.py [--examples 3000] [--minutes 8] [--seed 0] [--seconds 0.5] [--domains 300]

Every question has its least margin near zero. Nobody may verify what another one, a sampled point or brute force
refutes. Prints how often each search decided, and each disagreement with what it is made of; exits 1 if there is any.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import torch
from laws.enumeration import TooMany
from laws.nets import PIECEWISE
from laws.searches import (
    SEARCHES,
    Puzzle,
    case_of,
    law_agree,
    law_domains,
    law_domains_exact,
    law_points,
    law_truth,
    truth,
    work,
)
from laws.strategies import EVERYTHING, SCALES, STRAIGHT

from verifier.complete.exact.search import Milp
from verifier.complete.search import Search
from verifier.regions import Box
from verifier.verdict import Unknown, Verdict

PATTERNS = tuple(k for k in PIECEWISE if k != "max")  # brute force knows these
KINDS = {
    "relu": ("linear", "relu", "linear", "relu", "norm"),
    "piecewise": (*PATTERNS, "linear", "linear"),
    "everything": EVERYTHING,
}
CLAUSES = ((0,), (0, 0), (0, 1), (0, 0, 1, 2), (1, 0, 1, 0))
REGIONS = ("linf", "feature", "box", "box", "pixel", "point", "l1", "l2")
MARGINS = (-0.2, -0.01, -1e-4, 0.0, 1e-4, 0.01, 0.1, 0.5)
ALL: dict[str, Search] = {**SEARCHES, "milp": Milp()}


def puzzle(rng: random.Random, kinds: tuple[str, ...]) -> Puzzle:
    clause = rng.choice(CLAUSES)
    return Puzzle(
        shape=rng.choice(((2,), (3,), (1, 3), (5,))),
        layers=tuple(rng.choices(kinds, k=rng.randint(1, 4))),
        seed=rng.randrange(10**6),
        scale=rng.choice(SCALES),
        region=rng.choice(REGIONS),
        size=rng.choice((0.02, 0.2, 1.0)),
        clause=clause,
        closed=tuple(rng.random() < 0.15 for _ in clause),
        margin=rng.choice(MARGINS),
        batch=rng.choice((1, 1, 1, 2)),
    )


def least(one: Puzzle) -> float | None:
    """By brute force, where that can be had."""
    asked = one.problem()
    if one.batch > 1 or not set(one.layers) <= {*PATTERNS, "linear", "norm"} or not isinstance(asked.region, Box):
        return None
    if torch.Size(one.shape).numel() > 3:
        return None
    try:
        return truth(case_of(asked))
    except TooMany:
        return None


def told(verdict: Verdict) -> str:
    name = type(verdict).__name__.lower()
    return f"{name} ({verdict.reason.name.lower()})" if isinstance(verdict, Unknown) else name


def check(one: Puzzle, name: str, args: argparse.Namespace, tally: Counter[str]) -> None:
    """Raises where a law is broken."""
    asked, answers, known = one.problem(), {}, least(one)
    for search, method in ALL.items():
        answers[search] = method(asked, work(args.seconds, args.domains))
        law_points(asked, answers[search], one.seed, 12)
        for verdict in answers[search]:
            tally[f"{name:11} {search:12} {told(verdict)}"] += 1
            if known is not None:
                law_truth(known, verdict)
    law_agree(asked, list(answers.values()))
    tally["brute force"] += known is not None
    alone = case_of(asked.select(torch.tensor([0])))
    law_domains(alone, one.seed)
    law_domains(alone, one.seed, deployed=torch.float32)
    if set(one.layers) <= {*STRAIGHT, "sign", "floor", "round", "ceil"}:
        law_domains_exact(alone, one.seed)
        tally["rational"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Do all searches agree?")
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--domains", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng, tally, start = random.Random(args.seed), Counter[str](), time.monotonic()
    done = broken = 0
    while done < args.examples and time.monotonic() - start < 60 * args.minutes:
        name = rng.choice(list(KINDS))
        one = puzzle(rng, KINDS[name])
        done += 1
        try:
            check(one, name, args, tally)
        except Exception as error:
            broken += 1
            print(f"{type(error).__name__}: {str(error)[:300]}\n  {one}", flush=True)
    for key in sorted(tally):
        print(f"{key:48} {tally[key]:6}")
    print(f"{done} questions, {broken} broken, {time.monotonic() - start:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
