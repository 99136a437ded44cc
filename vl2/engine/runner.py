"""Runner: one step of the model over chunks of many sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vl2.engine.cache import PagedCache
from vl2.engine.scheduler import Chunk
from vl2.model import VL2


class Runner:
    """Compute chunks and leave their entries in the cache; prompts run apart from single tokens, to pad less."""

    def __init__(self, model: VL2, cache: PagedCache) -> None:
        self.model, self.cache = model, cache

    @torch.inference_mode()
    def run(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the logits [1 + drafts, V] behind each chunk that is its sequence's last, by sequence number.

        `embeds` holds the embeddings [T, D] of chunks that are more than plain tokens, by sequence number.
        """
        groups = ([c for c in chunks if c.stop - c.start == 1], [c for c in chunks if c.stop - c.start > 1])
        logits: dict[int, Tensor] = {}
        for group in groups:
            if group:
                logits |= self._run(group, embeds)
        return logits

    def _run(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor]) -> dict[int, Tensor]:
        device = self.cache.slots.device
        length = max(chunk.num_tokens for chunk in chunks)
        starts = torch.tensor([chunk.start for chunk in chunks], device=device)  # [n]
        counts = torch.tensor([chunk.num_tokens for chunk in chunks], device=device)  # [n]
        places = torch.arange(length, device=device)  # [T]
        positions = starts[:, None] + places  # [n, T]
        documents = (places < counts[:, None]).long()  # [n, T] padding belongs to none
        view = self.cache.view([c.sequence.blocks for c in chunks], max(c.start for c in chunks) + length)
        rows = self._embed(chunks, embeds, length)  # [n, T, D]
        states = self.model.language(rows, positions, documents, view, self.model.backends).states  # [n, T, D]
        last = [(row, chunk) for row, chunk in enumerate(chunks) if chunk.is_last]
        if not last:
            return {}
        numbers = [row for row, chunk in last for _ in range(1 + len(chunk.drafts))]
        ends = [place for _, chunk in last for place in range(chunk.stop - chunk.start - 1, chunk.num_tokens)]
        found = self.model.logits(states[numbers, ends])  # [m, V]
        parts = found.split([1 + len(chunk.drafts) for _, chunk in last])
        return {chunk.sequence.number: lines for (_, chunk), lines in zip(last, parts, strict=True)}

    def _embed(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor], length: int) -> Tensor:
        device = self.cache.slots.device
        ids = torch.zeros(len(chunks), length, dtype=torch.long)
        for row, chunk in enumerate(chunks):
            tokens = [*chunk.sequence.tokens[chunk.start : chunk.stop], *chunk.drafts]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        rows = self.model.language.embedding(ids.to(device))  # [n, T, D]
        for row, chunk in enumerate(chunks):
            if chunk.sequence.number in embeds:
                rows[row, : chunk.stop - chunk.start] = embeds[chunk.sequence.number].to(rows.dtype)
        return rows


@torch.inference_mode()
def embed_chunk(model: VL2, chunk: Chunk, image_mask: Tensor, visual: Tensor | None) -> Tensor:
    """Return the embeddings [T, D] of a chunk, with `visual` [visual tokens, D] of its prompt in their places.

    image_mask [P] marks the places of visual tokens in the prompt; what follows the prompt is text.
    """
    ids = torch.tensor(chunk.sequence.tokens[chunk.start : chunk.stop], device=model.tile_newline.device)
    embeds = model.language.embedding(ids)  # [T, D]
    marked = image_mask[chunk.start : chunk.stop]
    before, count = int(image_mask[: chunk.start].sum()), int(marked.sum())
    if visual is not None and count:
        embeds[: len(marked)][marked.to(embeds.device)] = visual[before : before + count].to(embeds)
    return embeds
