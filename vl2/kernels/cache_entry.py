"""What a cache keeps of a token in 8 bits: codes, and a scale for every group of them.

A slot is W bytes of codes, then W/group scales in bfloat16, filled up to a multiple of SLOT_STEP bytes. A number is
code * scale. Keys, values, latents and rope keys each begin a group, so no scale serves two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vl2.core.errors import ConfigError

GROUPS = (64, 32, 16)
SLOT_STEP = 64  # bytes: a line of the processor's caches
MOST_CODE = 127
STEP = 1.004 / MOST_CODE  # of the largest number: its scale, rounded to bfloat16, is never too small for it


def entry_group(parts: Sequence[int]) -> int:
    """Return how many numbers share a scale: the largest group that divides all parts of an entry.

    Raises ConfigError when none does.
    """
    for group in GROUPS:
        if all(part % group == 0 for part in parts):
            return group
    raise ConfigError(
        "cache_dtype", "int8 does not fit this model", got=f"entries of {list(parts)} numbers",
        expected=f"multiples of {GROUPS[-1]}", do="Leave the cache in the type of the weights.",
    )  # fmt: skip


def slot_bytes(width: int, group: int) -> int:
    """Return the bytes of a slot for an entry of `width` numbers."""
    size = width + width // group * torch.bfloat16.itemsize
    return -(-size // SLOT_STEP) * SLOT_STEP


def entry_bytes(width: int, parts: Sequence[int], dtype: torch.dtype) -> int:
    """Return the bytes of an entry of `width` numbers in a cache of this type."""
    return slot_bytes(width, entry_group(parts)) if dtype == torch.int8 else width * dtype.itemsize


def store_entries(entries: Tensor, group: int) -> Tensor:
    """Return slots [.., slot_bytes] int8 for entries [.., W]."""
    numbers = entries.float().unflatten(-1, (-1, group))  # [.., G, g]
    scales = (numbers.abs().amax(-1) * STEP).bfloat16()  # [.., G]
    inverse = torch.where(scales == 0, 0, 1 / scales.float())  # [.., G]
    codes = (numbers * inverse[..., None]).round_().to(torch.int8).flatten(-2)  # [.., W]
    filled = torch.cat((codes, scales.view(torch.int8)), dim=-1)  # [.., W + 2G]
    missing = slot_bytes(entries.shape[-1], group) - filled.shape[-1]
    return torch.nn.functional.pad(filled, (0, missing))


def read_entries(slots: Tensor, width: int, group: int) -> Tensor:
    """Return entries [.., W] in float32 of slots [.., slot_bytes] int8."""
    scales = slots[..., width : width + width // group * 2].contiguous().view(torch.bfloat16).float()  # [.., G]
    return (slots[..., :width].float().unflatten(-1, (-1, group)) * scales[..., None]).flatten(-2)
