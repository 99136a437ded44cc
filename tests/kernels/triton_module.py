"""Triton kernels for tests: compiled where there is a GPU, else run by Triton's interpreter (conftest.py)."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def triton_module(name: str) -> ModuleType:
    """Import a module of Triton kernels, or skip the test module that asks for it."""
    pytest.importorskip("triton", reason="Triton is not installed; it comes with the extra `dev` on Linux")
    return importlib.import_module(f"vl2.kernels.{name}")


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest error, relative to the largest value."""
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max().clamp_min(1e-9))
