"""Answer a batch of requests: prefill in chunks, then decode token by token; a row answers as it would alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError
from vl2.engine.cache import TokenCache
from vl2.engine.encode import encode_images
from vl2.engine.request import Request, room_for_answer
from vl2.engine.sampler import Sampler
from vl2.engine.text_stream import TextStream
from vl2.model import VL2
from vl2.processor.tokenizer import Tokenizer

PREFILL_CHUNK = 1024  # bounds the attention scores of a long prompt: 1024 x 4096 of each head

FinishReason = Literal["stop", "length", "cancelled"]  # cancelled: nobody waited for the end


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """What one step added to one row."""

    row: int
    token_ids: tuple[int, ...]  # without the end-of-sequence token
    text: str  # empty while a character or a possible stop string is incomplete
    finish_reason: FinishReason | None = None  # set in the last event of the row


@dataclass(kw_only=True)
class _Row:
    """A row under way; `length` is the position of its next token."""

    number: int
    length: int
    room: int  # tokens that may still come
    sampler: Sampler
    text: TextStream


@torch.inference_mode()
def stream(
    model: VL2, tokenizer: Tokenizer, requests: Sequence[Request], *, chunk_size: int = PREFILL_CHUNK
) -> Iterator[StreamEvent]:
    """Yield what each row says as soon as it is certain; rows are numbered as the requests.

    Raises ConversationError when a prompt leaves no room in the context, before anything is computed.
    """
    if chunk_size < 1:
        raise ConfigError("chunk_size", "must be positive", got=chunk_size)
    config = model.config.language_config
    rooms = [room_for_answer(request, config.max_position_embeddings) for request in requests]
    embeds = embed_prompts(model, requests, tokenizer.pad_id)  # [B, T, D]
    lengths = [request.num_prompt_tokens for request in requests]
    cache = TokenCache.empty(
        config,
        num_rows=len(requests),
        capacity=max(length + room for length, room in zip(lengths, rooms, strict=True)),
        dtype=embeds.dtype,
        device=embeds.device,
    )
    logits = prefill(model, embeds, lengths, cache, chunk_size)  # [B, V]
    rows = [
        _Row(
            number=number,
            length=lengths[number],
            room=rooms[number],
            sampler=Sampler(request.settings, request.prompt.input_ids.to(embeds.device), config.vocab_size),
            text=TextStream(tokenizer, request.settings.stop),
        )
        for number, request in enumerate(requests)
    ]
    while rows:
        chosen = torch.stack([row.sampler.choose(line) for row, line in zip(rows, logits, strict=True)]).tolist()
        events = [_advance(row, token_id, tokenizer.eos_id) for row, token_id in zip(rows, chosen, strict=True)]
        yield from events
        going = [place for place, event in enumerate(events) if event.finish_reason is None]
        rows = [rows[place] for place in going]
        if rows:
            tokens = [chosen[place] for place in going]
            logits = decode(model, tokens, [row.number for row in rows], [row.length - 1 for row in rows], cache)


def embed_prompts(model: VL2, requests: Sequence[Request], pad_id: int) -> Tensor:
    """Return the embeddings of all prompts [B, T, D], padded on the right, with visual tokens in their places."""
    device = model.tile_newline.device
    visual: list[Tensor] = []
    for request in requests:
        if request.visual_embeds is not None:
            visual.append(request.visual_embeds.to(device))
        else:
            visual += encode_images(model, request.prompt.tiles, request.prompt.grids)
    batch = Batch.from_inputs([[request.prompt] for request in requests], pad_id)
    batch = replace(batch, tiles=None, visual_embeds=torch.cat(visual) if visual else None)
    return model.embed(batch.to(device))


def prefill(model: VL2, embeds: Tensor, lengths: Sequence[int], cache: TokenCache, chunk_size: int) -> Tensor:
    """Run the prompts [B, T, D] of these lengths through the model; return the logits after each prompt [B, V]."""
    last = embeds.new_empty(len(lengths), embeds.shape[-1])  # [B, D]
    for start in range(0, max(lengths), chunk_size):
        rows = [row for row, length in enumerate(lengths) if length > start]
        end = min(start + chunk_size, max(lengths))
        # padding takes the positions that follow its prompt, whose slots the answer writes anew
        positions = torch.arange(start, end, device=embeds.device).expand(len(rows), -1)  # [n, T]
        states = model.language(
            embeds[rows, start:end], positions, torch.ones_like(positions), cache.of(rows, end), model.backends
        ).states  # [n, T, D]
        for place, row in enumerate(rows):
            if lengths[row] <= end:
                last[row] = states[place, lengths[row] - 1 - start]
    return model.logits(last)


def decode(
    model: VL2, token_ids: Sequence[int], rows: Sequence[int], positions: Sequence[int], cache: TokenCache
) -> Tensor:
    """Run one new token of each of these rows, at these positions; return the logits after it [n, V]."""
    device = cache.slots.device
    places = torch.tensor(positions, device=device)[:, None]  # [n, 1]
    embeds = model.language.embedding(torch.tensor(token_ids, device=device)[:, None])  # [n, 1, D]
    view = cache.of(list(rows), max(positions) + 1)
    states = model.language(embeds, places, torch.ones_like(places), view, model.backends).states  # [n, 1, D]
    return model.logits(states[:, 0])


def _advance(row: _Row, token_id: int, eos_id: int) -> StreamEvent:
    """Take the next token of a row and say what is certain of its text now."""
    row.length += 1
    row.room -= 1
    if token_id == eos_id:
        return StreamEvent(row=row.number, token_ids=(), text=row.text.finish(), finish_reason="stop")
    text = row.text.push(token_id)
    if row.room == 0:
        text += row.text.finish()
    reason: FinishReason | None = "length" if row.room == 0 else None
    if row.text.is_stopped:
        reason = "stop"
    return StreamEvent(row=row.number, token_ids=(token_id,), text=text, finish_reason=reason)
