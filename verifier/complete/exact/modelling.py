"""The call of cvxpy: it suggests numbers, so a failed or doubtful solve is no reason to stop or to warn."""

import warnings
from typing import Any

LIMITS = {"CLARABEL": "time_limit", "SCS": "time_limit_secs"}


def solve(task: Any, solver: str, seconds: float) -> None:
    """Solve a `cvxpy.Problem` for about `seconds`; its variables have no value where that failed."""
    import cvxpy

    if solver not in LIMITS:
        raise ValueError(f"no semidefinite solver is called {solver!r}; there are {', '.join(LIMITS)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            task.solve(solver=solver, **{LIMITS[solver]: max(seconds, 0.1)})
        except cvxpy.error.SolverError:
            return
