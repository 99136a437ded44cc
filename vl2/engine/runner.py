"""Runner: one step of the model over chunks of many sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vl2.core.batch import PADDING
from vl2.engine.cache import PagedCache
from vl2.engine.decoder import find_decoder
from vl2.engine.scheduler import Chunk
from vl2.model import VL2
from vl2.weights.pack import PackedLanguage


class Runner:
    """Compute chunks and leave their entries in the cache; prompts run apart from single tokens, to pad less."""

    def __init__(self, model: VL2, cache: PagedCache, most_tokens: int | None = None) -> None:
        """Compute at most `most_tokens` at once, padding included, where padding is computed at all."""
        self.model, self.cache, self.most_tokens = model, cache, most_tokens
        self.decoder = find_decoder(model, cache)

    @torch.inference_mode()
    def run(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the logits [1 + drafts, V] behind each chunk that is its sequence's last, by sequence number.

        `embeds` holds the embeddings [T, D] of chunks that are more than plain tokens, by sequence number.
        """
        prompts = [c for c in chunks if c.stop - c.start > 1]
        groups = ([c for c in chunks if c.stop - c.start == 1], *self._bounded(prompts))
        logits: dict[int, Tensor] = {}
        for group in groups:
            if group:
                logits |= self._run(group, embeds)
        return logits

    def _bounded(self, chunks: Sequence[Chunk]) -> list[list[Chunk]]:
        """Return groups of about one length: short ends of prompts do not pay for a long one beside them."""
        if self.most_tokens is None or isinstance(self.model.language, PackedLanguage):
            return [list(chunks)]
        groups: list[list[Chunk]] = []
        for chunk in sorted(chunks, key=lambda chunk: -chunk.num_tokens):
            if not groups or (len(groups[-1]) + 1) * groups[-1][0].num_tokens > self.most_tokens:
                groups.append([])
            groups[-1].append(chunk)
        return groups

    def _run(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor]) -> dict[int, Tensor]:
        # lists until the last moment: behind weights that fill every cache a small tensor operation costs a score of
        # microseconds
        device = self.cache.slots.device
        length = max(chunk.num_tokens for chunk in chunks)
        if self.decoder is not None and length == 1 and not any(c.sequence.number in embeds for c in chunks):
            lines = self.decoder.run(chunks)[:, None].unbind()  # each [1, V]
            return {c.sequence.number: line for c, line in zip(chunks, lines, strict=True) if c.is_last}
        positions = torch.tensor([[*range(c.start, c.start + length)] for c in chunks], device=device)  # [n, T]
        documents = torch.tensor(
            [[1] * c.num_tokens + [PADDING] * (length - c.num_tokens) for c in chunks], device=device
        )  # [n, T]
        view = self.cache.view([c.sequence.blocks for c in chunks], max(c.start for c in chunks) + length)
        rows = self._embed(chunks, embeds, length)  # [n, T, D]
        states = self.model.language(rows, positions, documents, view, self.model.backends).states  # [n, T, D]
        last = [(row, chunk) for row, chunk in enumerate(chunks) if chunk.is_last]
        if not last:
            return {}
        ends = [row * length + at for row, c in last for at in range(c.stop - c.start - 1, c.num_tokens)]
        states = states.flatten(0, 1)  # [n * T, D]
        found = self.model.logits(states if len(ends) == len(states) else states[ends])  # [m, V]
        parts = found.split([1 + len(chunk.drafts) for _, chunk in last])
        return {chunk.sequence.number: lines for (_, chunk), lines in zip(last, parts, strict=True)}

    def _embed(self, chunks: Sequence[Chunk], embeds: Mapping[int, Tensor], length: int) -> Tensor:
        lines = [[*c.sequence.tokens[c.start : c.stop], *c.drafts] for c in chunks]
        ids = torch.tensor([[*line, *[0] * (length - len(line))] for line in lines])  # [n, T]
        rows = self.model.language.embedding(ids.to(self.cache.slots.device))  # [n, T, D]
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
