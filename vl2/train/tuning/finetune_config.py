"""What one fine-tuning needs; options of `vl2 train finetune`, or the same as YAML."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.train.tuning.tune_config import TuneConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TuneConfig):
    """Teach a model that can see and answer something new."""

    aux_weight: float = 1e-3
    replay: tuple[str, ...] = ()  # what the model could do before, so that it still can
    replay_share: float = 0.3  # of each batch
    augment: bool = True  # show boxed pictures in ever new frames, boxes moved along

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("replay_share", self.replay_share)
