"""Sound verification of neural networks.

    model = verifier.load("model.onnx")
    region = verifier.linf(images, 0.03, lower=0, upper=1)
    verdict = verifier.verify(model, region, verifier.robust(labels, model.graph.output_shape))

Names are imported on first use, so that the command answers small questions without waiting for torch.
"""

from importlib import import_module

_HOMES = {
    "verifier.api": ("bounds", "inputs", "load", "outputs", "verify", "verify_each"),
    "verifier.errors": ("InputError", "InvalidModel", "UnsupportedModel", "VerifierError"),
    "verifier.model": ("Model",),
    "verifier.properties": ("Specification", "robust"),
    "verifier.radius": ("Radius", "max_radius"),
    "verifier.regions": ("Ball", "Box", "Region", "ball", "box", "linf"),
    "verifier.bounding.methods": ("AlphaCrown", "Crown", "Ibp", "Zonotope"),
    "verifier.bounding.propagate": ("Bounds",),
    "verifier.interval": ("Interval",),
    "verifier.verdict": ("Falsified", "Reason", "Unknown", "Verdict", "Verified"),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_WHERE)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'verifier' has no attribute {name!r}")
