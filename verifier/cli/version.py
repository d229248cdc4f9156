"""`verify --version`: what is installed. What is known without torch is printed first."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from verifier.cli.streams import say

LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")
SOLVERS = {"highspy": "HiGHS", "scipy": "HiGHS in SciPy", "gurobipy": "Gurobi", "cvxpy": "CVXPY", "pulp": "PuLP"}


def show() -> None:
    from verifier import __version__

    say(f"verifier     {__version__}", sys.stdout)
    say(f"python       {platform.python_version()} on {platform.system()} {platform.machine()}", sys.stdout)
    for name in LIBRARIES:
        say(f"{name:<12} {installed(name) or 'missing'}", sys.stdout)
    found = [f"{title} {number}" for name, title in SOLVERS.items() if (number := installed(name))]
    say(f"solver       {', '.join(found) or 'none installed: milp, lp, sdp and lipschitz need one'}", sys.stdout)
    say(f"device       {devices()}", sys.stdout)


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def devices() -> str:
    """The CPU and every GPU that torch can use."""
    try:
        import torch
    except Exception as error:  # a broken installation is what one looks at versions for
        return f"unknown: torch can't be imported ({error})"
    cuda = [f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(torch.cuda.device_count())]
    return ", ".join([f"cpu ({torch.get_num_threads()} threads)", *(cuda or ["no CUDA"])])
