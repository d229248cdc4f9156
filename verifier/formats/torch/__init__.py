"""The PyTorch door: modules in memory and `.pt2` programs become graphs."""

from importlib import import_module

from verifier.formats.torch.file import load_pt2
from verifier.formats.torch.module import load_module

__all__ = ["load_module", "load_pt2"]

import_module("torch._meta_registrations").activate_meta  # noqa: B018  shapes are found with tensors without data
