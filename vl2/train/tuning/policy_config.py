"""What learning from rewards needs; options of `vl2 train grpo`, or the same as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from vl2.core.errors import ConfigError, nearest
from vl2.train.tuning.rewards import DEFAULT_TOLERANCE, Reward, answer_reward, format_reward, iou_reward, number_reward
from vl2.train.tuning.tune_config import TuneConfig


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(TuneConfig):
    """Make answers that earn more than their siblings likelier (GRPO, DeepSeekMath, 2024)."""

    rewards: dict[str, float]  # weights by name, see REWARDS
    precision: Literal["stored", "float32"] = "float32"  # a step changes little, and rounding would hide it
    learning_rate: float = 2e-4
    epochs: float = 1.0
    batch_size: int = 8  # questions a step
    group: int = 8  # answers to each
    temperature: float = 1.0
    max_new_tokens: int = 256
    updates: int = 1  # steps on the same answers
    lowest_ratio: float = 0.8  # of a token's probability to what it was when it was drawn; outside nothing is learned
    highest_ratio: float = 1.2
    kl_weight: float = 0.04  # of the distance to the model without its adapter (DeepSeekMath, section 4.2)
    by_spread: bool = False  # divide advantages by the spread of their group; easy questions then count as much as any
    tolerance: float = DEFAULT_TOLERANCE  # of `number`
    pattern: str = ""  # of `format`

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = {"updates": self.updates, "temperature": self.temperature, "max_new_tokens": self.max_new_tokens,
                    "rank": self.rank}  # fmt: skip
        for name, value in positive.items():
            if value <= 0:
                raise ConfigError(name, "must be positive", got=value)
        for name, value in {"kl_weight": self.kl_weight, "tolerance": self.tolerance}.items():
            if value < 0:
                raise ConfigError(name, "must not be negative", got=value)
        if self.group < 2:
            raise ConfigError("group", "an answer needs siblings", got=self.group, expected="2 or more")
        if not 0 < self.lowest_ratio <= 1 <= self.highest_ratio:
            ratios = [self.lowest_ratio, self.highest_ratio]
            raise ConfigError("lowest_ratio", "the ratios must lie around 1", got=ratios)
        if not self.rewards:
            raise ConfigError("rewards", "nothing is rewarded", expected=", ".join(REWARDS))
        for name in self.rewards:
            if name not in REWARDS:
                raise ConfigError(
                    "rewards", "unknown", got=name, expected=", ".join(REWARDS), do=nearest(name, REWARDS)
                )

    def judges(self) -> Mapping[str, Reward]:
        """Return the functions of the rewards that count."""
        own = {
            **REWARDS,
            "number": partial(number_reward, tolerance=self.tolerance),
            "format": partial(format_reward, pattern=self.pattern),
        }
        return {name: own[name] for name in self.rewards}


REWARDS: dict[str, Reward] = {
    "iou": iou_reward, "answer": answer_reward, "number": number_reward, "format": format_reward,
}  # fmt: skip
