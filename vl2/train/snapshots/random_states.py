"""The states of random numbers in one process, as JSON can hold them."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of Python's and torch's generators, and that of the device."""
    version, numbers, gauss = random.getstate()
    found = {"python": [version, list(numbers), gauss], "torch": _text(torch.get_rng_state())}
    if device.type == "cuda":
        found["cuda"] = _text(torch.cuda.get_rng_state(device))
    return found


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Go on from what `random_state` returned."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(_tensor(state["torch"]))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(_tensor(state["cuda"]), device)


def _text(state: Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _tensor(text: str) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
