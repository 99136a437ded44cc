"""What the model keeps of earlier tokens: slots in blocks, handed to sequences as they grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vl2.core.memory import huge_zeros
from vl2.kernels.cache_entry import entry_bytes, entry_group, read_entries, store_entries
from vl2.model.config import LanguageConfig

BLOCK_SIZE = 16  # tokens
SCRAP_BLOCK = 0  # where padding writes


@dataclass(frozen=True, kw_only=True)
class PagedCache:
    """Latents and rope keys (MLA) or keys and values (MHA) of every sequence under way.

    Blocks are numbered from 1; block 0 takes what padding writes and no query looks at.
    """

    slots: Tensor  # [layers, (1 + blocks) * block_size, W]; int8: bytes of vl2/kernels/cache_entry.py
    block_size: int
    width: int  # numbers of an entry
    group: int = 0  # numbers that share a scale, in int8

    @classmethod
    def empty(
        cls, config: LanguageConfig, *, num_blocks: int, dtype: torch.dtype, device: torch.device | str,
        block_size: int = BLOCK_SIZE,
    ) -> PagedCache:  # fmt: skip
        """Make room for `num_blocks` blocks. Raises ConfigError when the model has no cache of this type."""
        width, parts = config.cache_width, config.cache_parts
        size = entry_bytes(width, parts, dtype) // dtype.itemsize
        shape = (config.num_hidden_layers, (1 + num_blocks) * block_size, size)
        # zeros: a slot that is not written yet is masked, but a NaN in it would survive a weight of zero
        on_cpu = torch.device(device).type == "cpu"  # there a page takes memory once something is written to it
        slots = huge_zeros(shape, dtype) if on_cpu else torch.zeros(shape, dtype=dtype, device=device)
        group = entry_group(parts) if dtype == torch.int8 else 0
        return cls(slots=slots, block_size=block_size, width=width, group=group)

    def view(self, tables: Sequence[Sequence[int]], num_slots: int) -> PagedView:
        """Show each row the blocks of its table; `num_slots` is one more than the largest position, of padding too."""
        width = -(-num_slots // self.block_size)
        padded = [[*table[:width], *[SCRAP_BLOCK] * (width - len(table))] for table in tables]
        numbers = torch.tensor(padded, dtype=torch.int32)  # [n, blocks]
        return PagedView(self.slots, numbers, self.block_size, num_slots, self.width, self.group)


@dataclass(frozen=True)
class PagedView:
    """The rows of one forward pass."""

    slots: Tensor  # [layers, slots, W]
    tables: Tensor  # [n, blocks] int32
    block_size: int
    num_shown: int  # positions of each row
    width: int
    group: int

    @cached_property
    def places(self) -> Tensor:
        """Return the slot of each position [n, S]."""
        starts = self.tables.long() * self.block_size  # [n, blocks]
        within = torch.arange(self.block_size, device=starts.device)
        places = (starts[:, :, None] + within).flatten(1)[:, : self.num_shown]  # [n, S]
        return places.to(self.slots.device)

    def num_slots(self, positions: Tensor) -> int:
        """Return how many slots `append` returns."""
        return self.num_shown

    def append(self, layer: int, entries: Tensor, positions: Tensor) -> Tensor:
        """Store `entries` [n, T, W] at `positions` [n, T] and return all slots [n, S, W], slot s holding position s."""
        slots = self.slots[layer]  # [slots, W]
        places = self.places.gather(1, positions)  # [n, T]
        if self.group:
            slots[places] = store_entries(entries, self.group)
            return read_entries(slots[self.places], self.width, self.group).to(entries.dtype)
        slots[places] = entries.to(slots.dtype)
        return slots[self.places]
