"""StreamEvent: what one token added to one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vl2.engine.sampler import TokenLogprobs

# cancelled: nobody waited for the end; error: this answer cannot go on
FinishReason = Literal["stop", "length", "cancelled", "error"]


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """What one token added to one request; a step may add several."""

    row: int  # the number of the request
    token_ids: tuple[int, ...]  # without the end-of-sequence token
    text: str  # empty while a character or a possible stop string is incomplete
    finish_reason: FinishReason | None = None  # set in the last event of the request
    logprobs: TokenLogprobs | None = None  # of the token, when asked for
    num_cached: int = 0  # tokens of the prompt that were found in the cache
    error: Exception | None = None  # what ended this answer alone
