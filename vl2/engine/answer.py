"""Answer: what the model said to one request; AnswerStream: the same while it is being said."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vl2.core.boxes import Box
from vl2.engine.engine import STEP_TOKENS, CacheDtype
from vl2.engine.events import FinishReason, StreamEvent
from vl2.engine.generate import stream
from vl2.engine.request import Request
from vl2.engine.sampler import TokenLogprobs
from vl2.model import VL2
from vl2.processor.grounding import Span, parse
from vl2.processor.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an answer took."""

    prompt_tokens: int  # visual tokens included
    image_tokens: int
    completion_tokens: int  # the end-of-sequence token is not counted
    seconds: float  # from the question to the last token, images included; rows of a batch run side by side
    cached_tokens: int = 0  # of the prompt, found in the cache


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model said: `text` as written, grounding marks included, and the same in `spans`."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    usage: Usage
    logprobs: tuple[TokenLogprobs, ...] = ()  # one a token, when they were asked for
    error: Exception | None = None  # what ended the answer of one request in a batch

    @property
    def spans(self) -> tuple[Span, ...]:
        """Return the pieces of the text: plain, or a grounded phrase with its boxes and any problem in them."""
        return parse(self.text)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Return the boxes of all spans in order, in thousandths of the image."""
        return tuple(box for span in self.spans for box in span.boxes)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Return the middles of the boxes as (x, y) in 0..1."""
        return tuple(box.center() for box in self.boxes)


class AnswerStream:
    """The text pieces of one answer as they come; iterate to read them."""

    def __init__(self, request: Request, events: Iterator[StreamEvent], *, started: float | None = None) -> None:
        """Take the events of one row; `started` is when the question was asked, by time.perf_counter."""
        self._collector = _Collector(request, time.perf_counter() if started is None else started)
        self._events = events

    def __iter__(self) -> Iterator[str]:
        for event in self._events:
            self._collector.add(event)
            if event.text:
                yield event.text

    def answer(self) -> Answer:
        """Wait for the rest and return the whole answer."""
        for event in self._events:
            self._collector.add(event)
        return self._collector.answer()

    def so_far(self) -> Answer:
        """Return what has come, for an answer that is not waited for any longer."""
        return self._collector.answer()


class _Collector:
    """Gather the events of one row."""

    def __init__(self, request: Request, started: float) -> None:
        self.request = request
        self.started = self.ended = started
        self.token_ids: list[int] = []
        self.pieces: list[str] = []
        self.logprobs: list[TokenLogprobs] = []
        self.finish_reason: FinishReason = "cancelled"
        self.num_cached = 0
        self.error: Exception | None = None

    def add(self, event: StreamEvent) -> None:
        if event.error is not None:
            raise event.error
        self.keep(event)

    def keep(self, event: StreamEvent) -> None:
        self.token_ids += event.token_ids
        self.pieces.append(event.text)
        self.logprobs += [event.logprobs] if event.logprobs else []
        self.finish_reason = event.finish_reason or self.finish_reason
        self.num_cached, self.error = event.num_cached, event.error
        self.ended = time.perf_counter()

    def answer(self) -> Answer:
        usage = Usage(
            prompt_tokens=self.request.num_prompt_tokens,
            image_tokens=self.request.num_image_tokens,
            cached_tokens=self.num_cached,
            completion_tokens=len(self.token_ids),
            seconds=self.ended - self.started,
        )
        return Answer(
            text="".join(self.pieces),
            token_ids=tuple(self.token_ids),
            finish_reason=self.finish_reason,
            usage=usage,
            logprobs=tuple(self.logprobs),
            error=self.error,
        )


def generate(
    model: VL2, tokenizer: Tokenizer, requests: Sequence[Request], *, chunk_size: int = STEP_TOKENS,
    num_draft_tokens: int = 0, cache_dtype: CacheDtype | None = None,
) -> list[Answer]:  # fmt: skip
    """Answer a batch of requests; each as it would be answered alone, up to rounding.

    An answer that its own constraint breaks off ends with the reason "error", and keeps what was said and what broke
    it; the others are whole.
    """
    if not requests:
        return []
    started = time.perf_counter()
    collectors = [_Collector(request, started) for request in requests]
    for event in stream(
        model, tokenizer, requests, chunk_size=chunk_size, num_draft_tokens=num_draft_tokens, cache_dtype=cache_dtype
    ):
        collectors[event.row].keep(event)
    return [collector.answer() for collector in collectors]
