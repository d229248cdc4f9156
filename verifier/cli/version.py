"""`verify --version`: what is installed. What is known without torch is printed first."""

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")
SOLVERS = {"highspy": "HiGHS", "scipy": "HiGHS in SciPy", "gurobipy": "Gurobi", "ortools": "OR-Tools"}


def show() -> None:
    from verifier import __version__

    print(f"verifier     {__version__}")
    print(f"python       {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in LIBRARIES:
        print(f"{name:<12} {installed(name) or 'missing'}")
    found = [f"{title} {number}" for name, title in SOLVERS.items() if (number := installed(name))]
    print(f"solver       {', '.join(found) or 'none installed; no method needs one'}", flush=True)
    print(f"device       {devices()}", flush=True)


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
