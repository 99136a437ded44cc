"""Answer a batch of requests side by side; each as it would be answered alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vl2.core.errors import ConfigError
from vl2.engine.cache import BLOCK_SIZE
from vl2.engine.engine import STEP_TOKENS, CacheDtype, Engine, EngineSettings
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request, room_for_answer
from vl2.model import VL2
from vl2.processor.tokenizer import Tokenizer

MOST_RUNNING = 64  # side by side; a cache for hundreds of long prompts would not fit


def stream(
    model: VL2, tokenizer: Tokenizer, requests: Sequence[Request], *, chunk_size: int = STEP_TOKENS,
    num_draft_tokens: int = 0, cache_dtype: CacheDtype | None = None,
) -> Iterator[StreamEvent]:  # fmt: skip
    """Yield what each row says as soon as it is certain; rows are numbered as the requests.

    Raises ConversationError when a prompt leaves no room in the context, before anything is computed.
    """
    if chunk_size < 1:
        raise ConfigError("chunk_size", "must be positive", got=chunk_size)
    context = model.config.language_config.max_position_embeddings
    most = [request.num_prompt_tokens + room_for_answer(request, context) for request in requests]
    largest = sorted((-(-count // BLOCK_SIZE) * BLOCK_SIZE for count in most), reverse=True)[:MOST_RUNNING]
    settings = EngineSettings(
        cache_tokens=sum(largest),
        max_running=len(largest),
        step_tokens=chunk_size,
        num_draft_tokens=num_draft_tokens,
        cache_dtype=cache_dtype,
    )
    engine = Engine(model, tokenizer, settings)
    for request in requests:
        engine.add(request)
    while engine.has_work:
        yield from engine.step()
