"""What one fine-tuning needs; options of `vl2 train finetune`, or the same as YAML."""

from __future__ import annotations

from dataclasses import dataclass, field

from vl2.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Teach a model that can see and answer something new."""

    data: tuple[str, ...]  # files or folders of samples, see vl2/data/records
    out: str
    model: str = "pocket"
    rank: int = 16  # of the adapter; 0 moves the weights themselves
    alpha: float = 0.0  # 0: twice the rank
    parts: tuple[str, ...] = ("attention", "experts", "mlp", "vision", "adaptor")
    part_rates: dict[str, float] = field(default_factory=dict)  # factors of the learning rate, such as vision: 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup_share: float = 0.05
    epochs: float = 4.0
    batch_size: int = 16
    max_batch_tokens: int = 4096  # of one forward pass, padding included
    aux_weight: float = 1e-3
    replay: tuple[str, ...] = ()  # what the model could do before, so that it still can
    replay_share: float = 0.3  # of each batch
    augment: bool = True  # show boxed pictures in ever new frames, boxes moved along
    eval_data: tuple[str, ...] = ()  # nothing: a share of the data is held out
    eval_share: float = 0.1
    eval_every: int = 0  # steps; 0: ten times in all
    patience: int = 4  # looks without a better one before it stops
    seed: int = 0

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch_size": self.batch_size, "max_batch_tokens": self.max_batch_tokens,
                    "learning_rate": self.learning_rate, "patience": self.patience}  # fmt: skip
        for name, value in positive.items():
            if value <= 0:
                raise ConfigError(name, "must be positive", got=value)
        for name, value in {"replay_share": self.replay_share, "eval_share": self.eval_share}.items():
            if not 0 <= value < 1:
                raise ConfigError(name, "out of range", got=value, expected="0 to below 1")
        if not self.data:
            raise ConfigError("data", "nothing to learn from", do="Give a file or folder of samples.")
