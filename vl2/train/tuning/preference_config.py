"""What learning from preferences needs; options of `vl2 train dpo`, or the same as YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vl2.core.errors import ConfigError
from vl2.train.tuning.tune_config import TuneConfig


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig(TuneConfig):
    """Make chosen answers likelier than rejected ones (DPO, Rafailov et al., 2023)."""

    precision: Literal["stored", "float32"] = "float32"  # a step changes little, and rounding would hide it
    learning_rate: float = 2e-4
    epochs: float = 2.0
    beta: float = 0.1  # how dear it is to leave the reference, the model without its adapter
    per_token: bool = False  # divide the log-probability of an answer by its length, so that short ones gain nothing
    sft_weight: float = 0.0  # of the loss of the chosen answers, a token

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0:
            raise ConfigError("beta", "must be positive", got=self.beta)
        if self.sft_weight < 0:
            raise ConfigError("sft_weight", "must not be negative", got=self.sft_weight)
        if not self.rank:
            raise ConfigError(
                "rank", "must be positive", got=0, do="The model without its adapter is what it is compared with."
            )
