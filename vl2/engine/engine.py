"""Engine: requests come and go while the others go on; each is answered as it would be alone."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vl2.core.errors import ConfigError
from vl2.engine.blocks import BlockPool
from vl2.engine.cache import BLOCK_SIZE, PagedCache
from vl2.engine.encode import TILES_AT_ONCE
from vl2.engine.events import FinishReason, StreamEvent
from vl2.engine.features import DEFAULT_FEATURE_BYTES, FeatureCache
from vl2.engine.job import Job
from vl2.engine.lookup import Lookup
from vl2.engine.request import Request, check_shape, room_for_answer
from vl2.engine.runner import Runner, embed_chunk
from vl2.engine.sampler import Sampler
from vl2.engine.scheduler import Chunk, Scheduler
from vl2.engine.sequence import Sequence
from vl2.engine.sight import Look, look_on
from vl2.engine.text_stream import TextStream
from vl2.engine.tiled_image import image_spans, tiled_images
from vl2.model import VL2
from vl2.model.attention import ABSORB_BELOW_TOKENS
from vl2.processor.tokenizer import Tokenizer
from vl2.weights.pack import PackedLanguage, beside_kernels

# A token and its drafts are few enough to look straight at cached latents: expanding them costs a hundred tokens.
MOST_DRAFT_TOKENS = ABSORB_BELOW_TOKENS - 2
STEP_TOKENS = 1024  # bounds the attention scores of a long prompt: 1024 x 4096 of each head


CacheDtype = Literal["int8"]


def slot_dtype(model: VL2, cache_dtype: CacheDtype | None) -> torch.dtype:
    """Return the type of a cache's slots: that of the weights, where kernels on the CPU have it."""
    if cache_dtype is not None:
        return torch.int8
    dtype = model.tile_newline.dtype
    return torch.float32 if dtype == torch.float16 and isinstance(model.language, PackedLanguage) else dtype


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How much is kept and how much a step may compute."""

    cache_tokens: int  # of all sequences together, rounded up to whole blocks
    max_running: int = 16
    step_tokens: int = STEP_TOKENS
    step_tiles: int | None = None  # encoded in a step while others are answered; None is one on a CPU, else 16
    block_size: int = BLOCK_SIZE
    feature_bytes: int = DEFAULT_FEATURE_BYTES
    cache_dtype: CacheDtype | None = None  # None keeps entries in the type of the weights
    num_draft_tokens: int = 0  # at most so many are guessed ahead in a greedy answer, and MOST_DRAFT_TOKENS

    def __post_init__(self) -> None:
        if self.cache_dtype not in (None, "int8"):
            raise ConfigError("cache_dtype", "unknown", got=repr(self.cache_dtype), expected="int8")
        if self.step_tiles is not None and self.step_tiles < 1:
            raise ConfigError("step_tiles", "must be positive", got=self.step_tiles)
        if self.num_draft_tokens < 0:
            raise ConfigError("num_draft_tokens", "out of range", got=self.num_draft_tokens, expected="0 or more")


class Engine:
    """Add requests, step until there is no work, take the events of each step. One thread at a time."""

    def __init__(
        self, model: VL2, tokenizer: Tokenizer, settings: EngineSettings, features: FeatureCache | None = None
    ) -> None:
        """Take a model; `features` are visual tokens that other engines of it keep too, None keeps its own."""
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        num_blocks = -(-settings.cache_tokens // settings.block_size)
        self.pool = BlockPool(num_blocks, first=1)
        self.scheduler = Scheduler(
            self.pool, block_size=settings.block_size, max_running=settings.max_running,
            step_tokens=settings.step_tokens,
        )  # fmt: skip
        cache = PagedCache.empty(
            model.config.language_config, num_blocks=num_blocks, dtype=slot_dtype(model, settings.cache_dtype),
            device=model.tile_newline.device, block_size=settings.block_size,
        )  # fmt: skip
        self.runner = Runner(model, cache, settings.step_tokens)
        self.features = FeatureCache(settings.feature_bytes) if features is None else features
        self.step_tiles = settings.step_tiles or (1 if cache.slots.device.type == "cpu" else TILES_AT_ONCE)
        self._jobs: dict[int, Job] = {}
        self._blind: list[Job] = []  # whose images are to be seen before they are scheduled
        self._count = 0
        self.num_drafted = self.num_accepted = 0  # tokens that were guessed, and those of them that were right

    @property
    def has_work(self) -> bool:
        """Tell whether a request is waiting or running."""
        return bool(self._jobs)

    @property
    def num_waiting(self) -> int:
        """Return how many requests have not started to run."""
        return len(self.scheduler.waiting) + len(self._blind)

    def check(self, request: Request) -> int:
        """Return how many tokens the answer may have. Raises VL2Error when the request can never be answered here."""
        config = self.model.config
        check_shape(request, config)
        room = room_for_answer(request, config.language_config.max_position_embeddings)
        # the last token is said, never looked at
        self.scheduler.check(request.num_prompt_tokens + room - 1)
        return room

    def add(self, request: Request) -> int:
        """Queue a request and return its number. Raises VL2Error when it can never be answered here."""
        room, prompt = self.check(request), request.prompt
        images = tiled_images(prompt) if request.visual_embeds is None else ()
        spans = image_spans(request, images, self.model.config.tile_side)
        sequence = Sequence(number=self._count, tokens=prompt.input_ids.tolist(), images=spans)
        vocab_size, device = self.model.config.language_config.vocab_size, self.model.tile_newline.device
        sampler = Sampler(request.settings, prompt.input_ids.to(device), vocab_size, request.constraint)
        job = self._jobs[sequence.number] = Job(
            request=request, sequence=sequence, room=room, sampler=sampler,
            text=TextStream(self.tokenizer, request.settings.stop), lookup=self._lookup(request),
            look=Look(images), visual=request.visual_embeds,
        )  # fmt: skip
        num_cached = self.scheduler.num_cached(sequence)
        if images and any(span.stop > num_cached for span in spans):
            self._blind.append(job)
        else:
            self.scheduler.add(sequence)
        self._count += 1
        return sequence.number

    def abort(self, number: int) -> None:
        """End a request for which nobody waits any more; the others do not notice."""
        job = self._jobs.pop(number, None)
        if job is not None:
            self.scheduler.remove(job.sequence)
            if job in self._blind:
                self._blind.remove(job)

    @torch.inference_mode()
    def step(self) -> list[StreamEvent]:
        """Compute one step; return what is now certain of each answer that moved on."""
        with beside_kernels(self.model):
            return self._step()

    def _step(self) -> list[StreamEvent]:
        self._look()
        chunks = self.scheduler.plan()
        logits = self.runner.run(chunks, self._embeds(chunks))
        for chunk in chunks:
            self.scheduler.computed(chunk.sequence, chunk.stop)
        last = [chunk for chunk in chunks if chunk.sequence.number in logits]
        return [event for chunk in last for event in self._advance_or_end(chunk, logits[chunk.sequence.number])]

    def _advance_or_end(self, chunk: Chunk, logits: Tensor) -> list[StreamEvent]:
        """Advance a sequence; what its own constraint or settings raise ends it alone."""
        try:
            return self._advance(chunk, logits)
        except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours go on
            number = chunk.sequence.number
            self.abort(number)
            return [StreamEvent(row=number, token_ids=(), text="", finish_reason="error", error=error)]

    def _advance(self, chunk: Chunk, logits: Tensor) -> list[StreamEvent]:
        """Choose the next token of a sequence and, as long as that is the draft, the one behind it.

        Logits [1 + drafts, V]. The sampler sees exactly the tokens that it would see without drafts.
        """
        sequence = chunk.sequence
        job = self._jobs[sequence.number]
        events: list[StreamEvent] = []
        for line, draft in zip(logits, (*chunk.drafts, None), strict=True):
            events.append(self._choose(job, line))
            if events[-1].finish_reason or sequence.tokens[-1] != draft:
                break
        num_accepted = len(events) - 1
        self.scheduler.computed(sequence, chunk.stop + num_accepted)
        self.num_drafted += len(chunk.drafts)
        self.num_accepted += num_accepted
        if events[-1].finish_reason:
            self.abort(sequence.number)
        elif job.lookup is not None:
            if chunk.drafts:
                job.lookup.learn(len(chunk.drafts), num_accepted)
            # the last token of an answer has none behind it to be looked at
            sequence.drafts = job.lookup.propose(sequence.tokens, job.room - 1)
        return events

    def _choose(self, job: Job, logits: Tensor) -> StreamEvent:
        """Choose a token from logits [V] and say what is certain of the text now."""
        token_id = job.sampler.choose(logits)
        job.room -= 1
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
        logprobs = job.sampler.logprobs(logits, token_id) if said else None
        return StreamEvent(
            row=job.sequence.number, token_ids=said, text=text, finish_reason=reason, logprobs=logprobs,
            num_cached=job.sequence.num_reused or 0,
        )  # fmt: skip

    def _lookup(self, request: Request) -> Lookup | None:
        """Return what guesses ahead in this answer: only greedy ones are likely to repeat what was said."""
        count, is_greedy = self.settings.num_draft_tokens, request.settings.temperature == 0
        if not count or not is_greedy or request.constraint is not None:
            return None
        return Lookup(longest=min(count, MOST_DRAFT_TOKENS), never=self.tokenizer.image_id)

    def _embeds(self, chunks: Series[Chunk]) -> dict[int, Tensor]:
        """Return the embeddings [T, D] of the chunks in which visual tokens stand."""
        pairs = [(chunk, self._jobs[chunk.sequence.number]) for chunk in chunks]
        shown = [(c, job) for c, job in pairs if job.request.prompt.image_mask[c.start : c.stop].any()]
        self._see([job for _, job in shown])
        return {
            job.sequence.number: embed_chunk(self.model, chunk, job.request.prompt.image_mask, job.visual)
            for chunk, job in shown
        }

    def _look(self) -> None:
        """Go on seeing the images of requests that came; whose images are all seen is scheduled."""
        if not self._blind:
            return
        is_busy = self.scheduler.running or self.scheduler.waiting
        num_tiles = self.step_tiles if is_busy else TILES_AT_ONCE
        # in the order of arrival, and no more than can soon be scheduled: what was seen is held until its turn comes
        turns = self.settings.max_running - len(self.scheduler.waiting)
        jobs = self._blind[: max(turns, 0)]
        if not jobs:
            return
        look_on(self.model, self.features, [job.look for job in jobs], num_tiles)
        for job in [job for job in jobs if not job.look.unseen()]:
            self._blind.remove(job)
            job.show()
            self.scheduler.add(job.sequence)

    def _see(self, jobs: Series[Job]) -> None:
        """Give these requests the visual tokens of their images, should their prefix have left the cache again."""
        blind = [job for job in jobs if job.visual is None]
        look_on(self.model, self.features, [job.look for job in blind])
        for job in blind:
            job.show()
