"""What the model keeps of earlier tokens, one contiguous row of slots for each sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vl2.model.config import LanguageConfig


@dataclass(frozen=True, kw_only=True)
class TokenCache:
    """Latents and rope keys (MLA) or keys and values (MHA); slot s of a row holds position s.

    A view of some rows shares the slots of the whole. Padding on the right may write anything: no query looks beyond
    its own position, and the token that comes to stand there writes its slot first.
    """

    slots: Tensor  # [layers, B, capacity, W]
    rows: Tensor | None = None  # [n] the rows in view; None shows all without copying
    num_filled: int | None = None  # slots up to the largest position; None asks the positions, which waits for a GPU

    @classmethod
    def empty(
        cls, config: LanguageConfig, *, num_rows: int, capacity: int, dtype: torch.dtype, device: torch.device | str
    ) -> TokenCache:
        """Make room for `capacity` tokens in each of `num_rows` rows."""
        shape = (config.num_hidden_layers, num_rows, capacity, config.cache_width)
        # zeros: a slot that is not written yet is masked, but a NaN in it would survive a weight of zero
        return cls(slots=torch.zeros(shape, dtype=dtype, device=device))

    def of(self, rows: list[int], num_filled: int) -> TokenCache:
        """Return a view of these rows whose largest position is `num_filled` - 1."""
        is_whole = rows == list(range(self.slots.shape[1]))
        chosen = None if is_whole else torch.tensor(rows, device=self.slots.device)
        return replace(self, rows=chosen, num_filled=num_filled)

    def num_slots(self, positions: Tensor) -> int:
        """Return how many slots `append` returns for these positions."""
        return int(positions.max()) + 1 if self.num_filled is None else self.num_filled

    def append(self, layer: int, entries: Tensor, positions: Tensor) -> Tensor:
        """Store `entries` [n, T, W] at `positions` [n, T] and return all slots [n, S, W], slot s holding position s."""
        slots, count = self.slots[layer], self.num_slots(positions)  # [B, capacity, W]
        rows = torch.arange(len(slots), device=slots.device) if self.rows is None else self.rows
        slots[rows[:, None], positions] = entries.to(slots.dtype)
        return slots[:, :count] if self.rows is None else slots[self.rows, :count]  # [n, S, W]
