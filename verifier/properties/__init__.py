"""What must hold."""

from verifier.properties.specification import Specification, robust

__all__ = ["Specification", "robust"]
