"""A plan: stages that run in turn on the questions still open. It is a value that can be printed and pasted back."""

from verifier.attacks.attack import Attack
from verifier.attacks.pgd import Pgd
from verifier.attacks.sampled import Sampled
from verifier.bounding.methods import AlphaCrown, Crown, Ibp, Method, Zonotope
from verifier.complete.bab import Bab
from verifier.complete.input_split import InputSplit
from verifier.complete.portfolio import Portfolio
from verifier.complete.search import Search
from verifier.complete.whole import WholeNumbers
from verifier.errors import InputError

Stage = Attack | Method | Search
Plan = str | Stage | tuple[Stage, ...]  # as users give it

PLANS: dict[str, tuple[Stage, ...]] = {
    "auto": (
        Pgd(steps=20, restarts=2),
        Sampled(),
        WholeNumbers(),
        Crown(intermediate=False),
        Zonotope(),
        Crown(),
        Pgd(steps=100, restarts=10),
        Portfolio(),
    ),
    "bounds": (
        Pgd(steps=20, restarts=2),
        Crown(intermediate=False),
        Zonotope(),
        Crown(),
        AlphaCrown(),
        Pgd(steps=100, restarts=10),
    ),
    "interval": (Pgd(), Ibp()),
    "crown-ibp": (Pgd(), Crown(intermediate=False)),
    "crown": (Pgd(), Crown()),
    "alpha-crown": (Pgd(), AlphaCrown()),
    "zonotope": (Pgd(), Zonotope()),
    "bab": (Pgd(), Bab()),
    "input-split": (Pgd(), InputSplit()),
    "attack": (Pgd(steps=100, restarts=10),),
}


EXACT = ("milp", "lp", "sdp", "lipschitz")  # imported on use: solvers take a while to load


def plan(method: Plan) -> tuple[Stage, ...]:
    """The stages that `--method NAME` stands for, or those that are given.

    Raises:
        InputError: no such method.
    """
    if not isinstance(method, str):
        return method if isinstance(method, tuple) else (method,)
    return _named(method)


def _named(name: str) -> tuple[Stage, ...]:
    if name in PLANS:
        return PLANS[name]
    if name not in EXACT:
        raise InputError(f"no method is called {name!r}; there are {', '.join((*PLANS, *EXACT))}")
    from verifier.complete.exact.lipschitz import Lipschitz
    from verifier.complete.exact.search import Lp, Milp, Sdp

    searches: dict[str, Search] = {"milp": Milp(), "lp": Lp(), "sdp": Sdp(), "lipschitz": Lipschitz()}
    return (Pgd(), searches[name])
