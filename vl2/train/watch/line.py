"""LogLine: the mean of the steps since the last line, as log.jsonl, TensorBoard and the screen tell it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from torch import Tensor

MOST_REASONS = 30  # of samples that were skipped, in a line
OTHER_REASONS = "other reasons"
HELD_OUT = "held-out "  # begins the name of what held-out samples gave, beside their loss


@dataclass(frozen=True, kw_only=True)
class Spike:
    """A step that was left out."""

    step: int
    reason: str
    loss: float | None = None  # None where it was no number
    grad_norm: float | None = None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """Means over `steps` steps that end at `step`; what is None was not measured. Its JSON leaves that out.

    Losses and `others` are weighted by supervised tokens, and steps that were left out are in `spikes` alone.
    """

    step: int
    num_steps: int | None = None  # of the whole run, as far as it can be foreseen
    steps: int = 1
    seconds: float | None = None  # of the run, over all its starts
    samples: float | None = None  # so far
    loss: float | None = None
    balance_loss: float | None = None
    grad_norm: float | None = None
    eval_loss: float | None = None
    learning_rates: Mapping[str, float] = field(default_factory=dict)  # of the last step
    supervised_tokens: float | None = None  # a step
    tokens: float | None = None  # a step
    tiles: float | None = None  # a step
    tokens_per_second: float | None = None
    tiles_per_second: float | None = None
    data_wait: float | None = None  # share of the time
    flops_per_second: float | None = None
    mfu: float | None = None
    memory_bytes: float | None = None
    max_violation: float | None = None
    expert_load: Sequence[Sequence[float]] = ()  # [L, E] since the last one that was written; 1 is an even share
    skipped: Mapping[str, int] = field(default_factory=dict)
    spikes: Sequence[Spike] = ()
    others: Mapping[str, float] = field(default_factory=dict)  # beside the named ones, flat in the JSON

    def to_json(self) -> str:
        """Return one line of strict JSON."""
        record = asdict(self)
        others = record.pop("others")
        record = {name: value for name, value in record.items() if value not in (None, (), [], {})}
        return json.dumps(_strict({**{name: value for name, value in others.items() if name not in NAMES}, **record}))

    def scalars(self) -> dict[str, float]:
        """Return every number by name, as `learning_rates/vision`, for what draws curves."""
        found: dict[str, float] = {}
        for name, value in asdict(self).items():
            if name in ("step", "num_steps", "steps", "expert_load", "spikes") or value is None:
                continue
            found |= {name: value} if not isinstance(value, Mapping) else _named(name, value)
        return found | {"spikes": float(len(self.spikes))}


NAMES = frozenset(one.name for one in fields(LogLine))


def even_shares(load: Tensor) -> list[list[float]]:
    """Return choices of experts [L, E] over the mean of their layer, short enough for a line."""
    shares = load.double() / load.double().mean(1, keepdim=True).clamp(min=1e-9)  # [L, E]
    return [[round(share, 2) for share in layer] for layer in shares.tolist()]


def fewer_reasons(skipped: Mapping[str, int]) -> dict[str, int]:
    """Return the most frequent reasons, the rest under one name: hostile data may have a reason a sample."""
    if len(skipped) <= MOST_REASONS:
        return dict(skipped)
    ranked = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[: MOST_REASONS - 1])
    kept[OTHER_REASONS] = kept.get(OTHER_REASONS, 0) + sum(number for _, number in ranked[MOST_REASONS - 1 :])
    return kept


def _named(name: str, values: Mapping[str, float]) -> dict[str, float]:
    prefix = "" if name == "others" else f"{name}/"
    return {f"{prefix}{key}": value for key, value in values.items()}


def _strict(value: Any) -> Any:
    """Round to what a curve can show; what is no number becomes null, which every reader of JSON knows."""
    match value:
        case float():
            return float(f"{value:.6g}") if math.isfinite(value) else None
        case dict():
            return {key: _strict(item) for key, item in value.items()}
        case list() | tuple():
            return [_strict(item) for item in value]
    return value
