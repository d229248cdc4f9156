"""torch, loaded in three quarters of the time: what only its compilers need comes when somebody asks for it."""

import gc
import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

KNOWN = ("2.13.",)  # versions of torch that were tried; others are imported as they are
LATER = ("torch._meta_registrations", "torch.export", "torch.distributions")
WANTED = "torch._prims.rng_prims"  # otherwise loaded by the first of these; random generators need it


class Later(ModuleType):
    """Stands in for a module until the first look at one of its attributes."""

    def __getattr__(self, name: str) -> Any:  # only asked for what isn't there
        if name.startswith("__") and name != "__path__":  # whoever goes through all modules wants none in particular
            raise AttributeError(f"{self.__name__} has not been loaded, and has no {name}")
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def load_torch() -> None:
    """Import torch. Searches for cycles among its objects, which all stay, would take another tenth of the time."""
    if "torch" in sys.modules:
        return
    known = _known()
    sys.modules.update((name, Later(name)) for name in LATER if known)
    gc.disable()
    importlib.import_module(WANTED if known else "torch")
    gc.freeze()
    gc.enable()


def _known() -> bool:
    try:
        return version("torch").startswith(KNOWN)
    except PackageNotFoundError:  # torch was not installed as a package
        return False
