"""What every tuning needs, whatever it learns from: samples, preferences or rewards."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from vl2.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Which model moves how far, over which data, and how it is looked at."""

    data: tuple[str, ...]  # files or folders of samples, see vl2/data/records
    out: str
    model: str = "pocket"
    rank: int = 16  # of the adapter; 0 moves the weights themselves
    alpha: float = 0.0  # 0: twice the rank
    bits: Literal[0, 4, 8] = 0  # of the frozen weights below the adapter; 0 leaves them as they are
    # In bfloat16 a stored weight does not feel a small change. On a CPU without products of bfloat16 all is float32.
    precision: Literal["stored", "float32"] = "stored"
    parts: tuple[str, ...] = ("attention", "experts", "mlp", "vision", "adaptor")
    part_rates: dict[str, float] = field(default_factory=dict)  # factors of the learning rate, such as vision: 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup_share: float = 0.05
    epochs: float = 4.0
    batch_size: int = 16
    max_batch_tokens: int = 4096  # of one forward pass, padding included
    eval_data: tuple[str, ...] = ()  # nothing: a share of the data is held out
    eval_share: float = 0.1
    eval_every: int = 0  # steps; 0: ten times in all
    patience: int = 4  # looks without a better one before it stops
    seed: int = 0
    wandb_project: str = ""  # of Weights & Biases, where curves go too

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch_size": self.batch_size, "max_batch_tokens": self.max_batch_tokens,
                    "learning_rate": self.learning_rate, "patience": self.patience}  # fmt: skip
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise ConfigError(name, "must be positive and finite", got=value)
        self.check_share("eval_share", self.eval_share)
        if not self.data:
            raise ConfigError("data", "nothing to learn from", do="Give a file or folder of samples.")
        if self.bits and not self.rank:
            raise ConfigError("bits", "quantised weights cannot move", got=self.bits, do="Give the adapter a rank.")

    def check_share(self, name: str, value: float) -> None:
        """Raise ConfigError unless a value is a share that leaves something."""
        if not 0 <= value < 1:
            raise ConfigError(name, "out of range", got=value, expected="0 to below 1")

    @property
    def adapter_alpha(self) -> float:
        """Return the alpha of the adapter."""
        return self.alpha or 2.0 * self.rank
