"""How a hot operation is computed; `reference` is the specification."""

from vl2.kernels.backends import Backends

__all__ = ["Backends"]
