"""Let a model that trains answer through the engine: the very module, so that what it draws is what it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vl2.model import VL2
    from vl2.processor.tokenizer import Tokenizer
    from vl2.train.tuning.rollout import Ask

SIDE_BY_SIDE = 64  # answers at a time: their cache is in memory together


def answer_by_engine(model: VL2, tokenizer: Tokenizer, asked: Sequence[Ask]) -> list[tuple[int, ...]]:
    """Return the tokens of each answer, the end of sequence among them where the answer ended by itself."""
    from vl2.engine.answer import generate
    from vl2.engine.request import Request
    from vl2.engine.sampler import SamplingSettings

    requests = [
        Request(
            prompt=one.prompt,
            settings=SamplingSettings(temperature=one.temperature, max_new_tokens=one.max_new_tokens, seed=one.seed),
        )
        for one in asked
    ]
    answers = [
        answer
        for start in range(0, len(requests), SIDE_BY_SIDE)
        for answer in generate(model, tokenizer, requests[start : start + SIDE_BY_SIDE])
    ]
    end = (tokenizer.eos_id,)
    return [answer.token_ids + (end if answer.finish_reason == "stop" else ()) for answer in answers]
