"""Engine: requests come and go while the others go on; each is answered as it would be alone."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vl2.engine.blocks import BlockPool
from vl2.engine.cache import BLOCK_SIZE, PagedCache
from vl2.engine.encode import encode_images
from vl2.engine.events import FinishReason, StreamEvent
from vl2.engine.features import DEFAULT_FEATURE_BYTES, FeatureCache
from vl2.engine.request import Request, room_for_answer
from vl2.engine.runner import Runner, embed_chunk
from vl2.engine.sampler import Sampler
from vl2.engine.scheduler import Chunk, Scheduler
from vl2.engine.sequence import ImageSpan, Sequence, image_key
from vl2.engine.text_stream import TextStream
from vl2.model import VL2
from vl2.processor.tokenizer import Tokenizer

STEP_TOKENS = 1024  # bounds the attention scores of a long prompt: 1024 x 4096 of each head


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How much is kept and how much a step may compute."""

    cache_tokens: int  # of all sequences together, rounded up to whole blocks
    max_running: int = 16
    step_tokens: int = STEP_TOKENS
    block_size: int = BLOCK_SIZE
    feature_bytes: int = DEFAULT_FEATURE_BYTES


@dataclass(kw_only=True, eq=False)
class _Job:
    """A request under way."""

    request: Request
    sequence: Sequence
    room: int  # tokens that may still come
    sampler: Sampler
    text: TextStream
    visual: Tensor | None = field(default=None)  # [visual tokens, D] once they are needed


class Engine:
    """Add requests, step until there is no work, take the events of each step. One thread at a time."""

    def __init__(self, model: VL2, tokenizer: Tokenizer, settings: EngineSettings) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        num_blocks = -(-settings.cache_tokens // settings.block_size)
        self.pool = BlockPool(num_blocks, first=1)
        self.scheduler = Scheduler(
            self.pool, block_size=settings.block_size, max_running=settings.max_running,
            step_tokens=settings.step_tokens,
        )  # fmt: skip
        cache = PagedCache.empty(
            model.config.language_config, num_blocks=num_blocks, dtype=model.tile_newline.dtype,
            device=model.tile_newline.device, block_size=settings.block_size,
        )  # fmt: skip
        self.runner = Runner(model, cache)
        self.features = FeatureCache(settings.feature_bytes)
        vision, ratio = model.config.vision_config, model.config.projector_config.downsample_ratio
        self.side = -(-vision.patches_per_side // ratio)  # of a tile, in visual tokens
        self._jobs: dict[int, _Job] = {}
        self._count = 0

    @property
    def has_work(self) -> bool:
        """Tell whether a request is waiting or running."""
        return bool(self._jobs)

    def check(self, request: Request) -> int:
        """Return how many tokens the answer may have. Raises VL2Error when the request can never be answered here."""
        room = room_for_answer(request, self.model.config.language_config.max_position_embeddings)
        # the last token is said, never looked at
        self.scheduler.check(request.num_prompt_tokens + room - 1)
        return room

    def add(self, request: Request) -> int:
        """Queue a request and return its number. Raises VL2Error when it can never be answered here."""
        room, prompt = self.check(request), request.prompt
        images = image_spans(request, self.side)
        sequence = Sequence(number=self._count, tokens=prompt.input_ids.tolist(), images=images)
        self.scheduler.add(sequence)
        vocab_size, device = self.model.config.language_config.vocab_size, self.model.tile_newline.device
        sampler = Sampler(request.settings, prompt.input_ids.to(device), vocab_size, request.constraint)
        self._jobs[sequence.number] = _Job(
            request=request, sequence=sequence, room=room, sampler=sampler,
            text=TextStream(self.tokenizer, request.settings.stop), visual=request.visual_embeds,
        )  # fmt: skip
        self._count += 1
        return sequence.number

    def abort(self, number: int) -> None:
        """End a request for which nobody waits any more; the others do not notice."""
        job = self._jobs.pop(number, None)
        if job is not None:
            self.scheduler.remove(job.sequence)

    @torch.inference_mode()
    def step(self) -> list[StreamEvent]:
        """Compute one step; return what is now certain of each answer that moved on."""
        chunks = self.scheduler.plan()
        logits = self.runner.run(chunks, self._embeds(chunks))
        for chunk in chunks:
            self.scheduler.computed(chunk)
        return [self._advance(self._jobs[number], line) for number, line in logits.items()]

    def _advance(self, job: _Job, logits: Tensor) -> StreamEvent:
        """Choose the next token of a sequence and say what is certain of its text now."""
        token_id = int(job.sampler.choose(logits))
        job.room -= 1
        number = job.sequence.number
        reason: FinishReason | None
        if token_id == self.tokenizer.eos_id:
            said, text, reason = (), job.text.finish(), "stop"
        else:
            said, text, reason = (token_id,), job.text.push(token_id), None
            if job.room == 0:
                text, reason = text + job.text.finish(), "length"
            if job.text.is_stopped:
                reason = "stop"
        if reason is None:
            job.sequence.tokens.append(token_id)
        else:
            self.abort(number)
        logprobs = job.sampler.logprobs(logits, token_id) if said else None
        return StreamEvent(row=number, token_ids=said, text=text, finish_reason=reason, logprobs=logprobs)

    def _embeds(self, chunks: Series[Chunk]) -> dict[int, Tensor]:
        """Return the embeddings [T, D] of the chunks in which visual tokens stand."""
        pairs = [(chunk, self._jobs[chunk.sequence.number]) for chunk in chunks]
        shown = [(c, job) for c, job in pairs if job.request.prompt.image_mask[c.start : c.stop].any()]
        self._see([job for _, job in shown])
        return {
            job.sequence.number: embed_chunk(self.model, chunk, job.request.prompt.image_mask, job.visual)
            for chunk, job in shown
        }

    def _see(self, jobs: Series[_Job]) -> None:
        """Encode the images of these requests together; each image once, and none that is still kept."""
        missing: dict[bytes, tuple[_Job, int]] = {}
        found: dict[bytes, Tensor] = {}
        blind = [job for job in jobs if job.visual is None]
        for job in blind:
            for place, span in enumerate(job.sequence.images):
                if span.key not in found and span.key not in missing:
                    kept = self.features.get(span.key)
                    if kept is None:
                        missing[span.key] = (job, place)
                    else:
                        found[span.key] = kept
        if missing:
            pairs = list(missing.values())
            tiles = [tiles_of(job.request)[place] for job, place in pairs]
            grids = [job.request.prompt.grids[place] for job, place in pairs]
            encoded = encode_images(self.model, torch.cat(tiles), grids)
            for key, embeds in zip(missing, encoded, strict=True):
                found[key] = embeds
                self.features.put(key, embeds)
        for job in blind:
            job.visual = torch.cat([found[span.key] for span in job.sequence.images])


def tiles_of(request: Request) -> tuple[Tensor, ...]:
    """Return the tiles [N, 3, S, S] of each image of a request."""
    return request.prompt.tiles.split([grid.num_tiles for grid in request.prompt.grids])


def image_spans(request: Request, side: int) -> tuple[ImageSpan, ...]:
    """Return where each image of a prompt stands, with its key; `side` is that of a tile in visual tokens.

    Images that were encoded before are known by their visual tokens.
    """
    places = request.prompt.image_mask.nonzero().flatten().tolist()
    grids = request.prompt.grids
    counts = [grid.num_visual_tokens(side) for grid in grids]
    pieces = tiles_of(request) if request.visual_embeds is None else request.visual_embeds.split(counts)
    spans, taken = [], 0
    for piece, grid, count in zip(pieces, grids, counts, strict=True):
        content = piece.cpu().contiguous().view(torch.uint8).numpy().tobytes()
        spans.append(ImageSpan(places[taken], places[taken + count - 1] + 1, image_key(content, grid.rows, grid.cols)))
        taken += count
    return tuple(spans)
