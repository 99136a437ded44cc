"""Log-probabilities of tokens in OpenAI's form."""

from __future__ import annotations

from typing import Any

from vl2.engine.sampler import TokenLogprobs
from vl2.processor.stream_decoder import token_bytes
from vl2.processor.tokenizer import Tokenizer


def logprob_entry(found: TokenLogprobs, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a token's log-probability in OpenAI's form; a piece of a character has bytes and a mark for text."""
    top = [_token(number, value, tokenizer) for number, value in found.top]
    return {**_token(found.token_id, found.logprob, tokenizer), "top_logprobs": top}


def _token(number: int, logprob: float, tokenizer: Tokenizer) -> dict[str, Any]:
    text = tokenizer.decode([number])
    # JSON has no infinity: OpenAI's own value for what cannot be
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(token_bytes(tokenizer, number))}
