"""From logits to the next token: one row at a time, so that a row does not depend on its neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vl2.core.errors import ConfigError

DEFAULT_MAX_NEW_TOKENS = 512
LEAST_TEMPERATURE = 1e-6  # below it the likeliest token is certain, and logits divided by it are infinite


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How to choose tokens and when to end. Raises ConfigError on an impossible value."""

    max_new_tokens: int = DEFAULT_MAX_NEW_TOKENS
    temperature: float = 0.0  # 0 takes the likeliest token
    top_p: float = 1.0  # keep the likeliest tokens that together reach this probability
    top_k: int = 0  # keep this many tokens; 0 keeps all
    min_p: float = 0.0  # keep tokens of at least this share of the likeliest token's probability
    repetition_penalty: float = 1.0  # over prompt and answer, image tokens included
    seed: int | None = None  # None draws one
    stop: tuple[str, ...] = ()  # strings that end the answer; they are not part of it
    top_logprobs: int | None = None  # say the log-probability of each token and of this many others; None says none

    def __post_init__(self) -> None:
        _require("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "at least 1")
        _require("temperature", self.temperature, 0 <= self.temperature < math.inf, "0 or more")
        _require("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1")
        _require("top_k", self.top_k, self.top_k >= 0, "0 (all) or more")
        _require("min_p", self.min_p, 0 <= self.min_p <= 1, "0..1")
        _require("repetition_penalty", self.repetition_penalty, 0.01 <= self.repetition_penalty <= 100, "0.01..100")
        _require("seed", self.seed, self.seed is None or 0 <= self.seed < 2**63, "0..2^63-1")
        _require("top_logprobs", self.top_logprobs, self.top_logprobs is None or 0 <= self.top_logprobs <= 20, "0..20")
        _require("stop", self.stop, all(self.stop), "strings that are not empty")


class Constraint(Protocol):
    """What an answer may be: a grammar, a schema, a list of choices. It lives as long as one answer."""

    def allowed(self) -> Tensor:
        """Return which tokens may come next [V] bool; at least one, the end of sequence when nothing else may."""
        ...

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen."""
        ...


@dataclass(frozen=True)
class TokenLogprobs:
    """The natural log-probability of a token before penalty, temperature and constraint, and the likeliest tokens."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]  # the likeliest first


class Sampler:
    """Choose one row's tokens; remembers what the row holds and where its random numbers stand."""

    def __init__(
        self, settings: SamplingSettings, prompt_ids: Tensor, vocab_size: int, constraint: Constraint | None = None
    ) -> None:
        self.settings = settings
        self.constraint = constraint
        # on the CPU: the same seed gives the same numbers, whatever device the model is on
        self.generator = torch.Generator()
        if settings.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(settings.seed)
        self.seen = torch.zeros(vocab_size, dtype=torch.bool, device=prompt_ids.device)  # [V], kept for the penalty
        self.seen[prompt_ids] = True

    def choose(self, logits: Tensor) -> int:
        """Return the next token id for logits [V]."""
        settings = self.settings
        if settings.repetition_penalty != 1:
            logits = penalize(logits, self.seen, settings.repetition_penalty)
        if self.constraint is not None:
            logits = logits.masked_fill(~self.constraint.allowed().to(logits.device), -torch.inf)
        if settings.temperature < LEAST_TEMPERATURE:
            chosen = likeliest(logits)
        else:
            logits = keep_top_k(logits / settings.temperature, settings.top_k)
            logits = keep_min_p(keep_top_p(logits, settings.top_p), settings.min_p)
            uniform = torch.rand((), generator=self.generator, dtype=torch.float64).item()
            chosen = int(draw(logits, uniform))
        if settings.repetition_penalty != 1:
            self.seen[chosen] = True
        if self.constraint is not None:
            self.constraint.accept(chosen)
        return chosen

    def logprobs(self, logits: Tensor, token_id: int) -> TokenLogprobs | None:
        """Return what the settings ask to be said about a token chosen from logits [V]."""
        if self.settings.top_logprobs is None:
            return None
        found = logits.float().log_softmax(-1)  # [V]
        top = found.topk(self.settings.top_logprobs)
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return TokenLogprobs(token_id, float(found[token_id]), tuple(pairs))


def likeliest(logits: Tensor) -> int:
    """Return the first of the largest logits [V]; NumPy finds it in a tenth of PyTorch's time."""
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        return int(logits.detach().numpy().argmax())
    return int(logits.argmax())


def penalize(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make the tokens in `seen` [V] less likely: positive logits are divided, negative ones multiplied."""
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)  # [V]
    return torch.where(seen, lowered, logits)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Leave the `top_k` largest logits [V], and ties with the last of them; 0 leaves all."""
    if top_k == 0 or top_k >= len(logits):
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Leave the fewest likeliest tokens that reach probability `top_p` together; at least one."""
    if top_p == 1:
        return logits
    ordered, order = logits.sort(descending=True, stable=True)
    probabilities = ordered.softmax(-1)  # [V]
    before = probabilities.cumsum(-1) - probabilities  # what likelier tokens hold already
    is_dropped = torch.empty_like(before, dtype=torch.bool).scatter_(0, order, before >= top_p)
    is_dropped[order[0]] = False
    return logits.masked_fill(is_dropped, -torch.inf)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Leave tokens of at least `min_p` times the largest probability."""
    if min_p == 0:
        return logits
    return logits.masked_fill(logits < logits.max() + math.log(min_p), -torch.inf)


def draw(logits: Tensor, uniform: float) -> Tensor:
    """Return the token id [] at which the cumulative probability passes `uniform`, a number in [0, 1)."""
    # float64: in float32, 100,000 small steps add up to an error; MPS has no float64
    ends = logits.to(torch.float32 if logits.device.type == "mps" else torch.float64).softmax(-1).cumsum(-1)  # [V]
    return torch.searchsorted(ends, ends[-1] * uniform, right=True).clamp(max=len(ends) - 1)


def _require(name: str, value: object, is_valid: bool, expected: str) -> None:
    if not is_valid:
        raise ConfigError(name, "out of range", got=value, expected=expected)
