"""What to compute in: bfloat16 saves time only where the processor multiplies it."""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal

import torch

Precision = Literal["bfloat16", "float32"]
# A warning, since nobody sees less unless asked for: without settings of its own a process writes it to stderr.
LOG = logging.getLogger(__name__)


def computed_in(asked: Precision, device: torch.device | str) -> Precision:
    """Return float32 where bfloat16 is asked for and would be slower, else what is asked for. Says so once.

    PyTorch multiplies bfloat16 number by number where it has no kernels for it: measured on one core with AVX2 alone,
    0.4 to 8 GFLOP/s where float32 reaches 30 to 45.
    """
    if asked == "float32" or multiplies_bfloat16(device):
        return asked
    _say()
    return "float32"


@cache
def multiplies_bfloat16(device: torch.device | str) -> bool:
    """Tell whether PyTorch has fast products of bfloat16 on a device: every GPU, and a CPU that oneDNN has them for."""
    if torch.device(device).type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def _say() -> None:
    LOG.warning("This processor does not multiply bfloat16: computing in float32.")
